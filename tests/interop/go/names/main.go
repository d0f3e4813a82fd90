// Command names prints every exported name of the official SDK's package tunnel, one
// per line. docs/porting-from-go.md must list these names. The output is stored in
// tests/porting/go-names.txt, so that the test needs no Go.
package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"sort"
	"strings"
)

const path = "github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"

func main() {
	found, err := build.Import(path, ".", build.FindOnly)
	if err != nil {
		log.Fatal(err)
	}
	isSource := func(file fs.FileInfo) bool { return !strings.HasSuffix(file.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), found.Dir, isSource, 0)
	if err != nil {
		log.Fatal(err)
	}
	var names []string
	for _, file := range packages["tunnel"].Files {
		for _, declaration := range file.Decls {
			names = append(names, declared(declaration)...)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Println(name)
	}
}

func declared(declaration ast.Decl) []string {
	switch declaration := declaration.(type) {
	case *ast.FuncDecl:
		return exported(receiver(declaration), declaration.Name)
	case *ast.GenDecl:
		var names []string
		for _, spec := range declaration.Specs {
			names = append(names, specified(spec)...)
		}
		return names
	}
	return nil
}

// receiver returns the type of a method with a dot, or "" for a function.
func receiver(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return ""
	}
	kind := function.Recv.List[0].Type
	if pointer, ok := kind.(*ast.StarExpr); ok {
		kind = pointer.X
	}
	return kind.(*ast.Ident).Name + "."
}

func specified(spec ast.Spec) []string {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		return exported("", spec.Names...)
	case *ast.TypeSpec:
		names := exported("", spec.Name)
		if len(names) == 0 {
			return nil
		}
		return append(names, members(spec)...)
	}
	return nil
}

// members returns the fields of a struct or the methods of an interface.
func members(spec *ast.TypeSpec) []string {
	var list *ast.FieldList
	switch kind := spec.Type.(type) {
	case *ast.StructType:
		list = kind.Fields
	case *ast.InterfaceType:
		list = kind.Methods
	default:
		return nil
	}
	var names []string
	for _, member := range list.List {
		idents := member.Names
		// An embedded member has the name of its type.
		if embedded, ok := member.Type.(*ast.Ident); ok && len(idents) == 0 {
			idents = []*ast.Ident{embedded}
		}
		names = append(names, exported(spec.Name.Name+".", idents...)...)
	}
	return names
}

// exported returns the names that are visible to users. Members of a type that is
// not exported are not visible.
func exported(prefix string, idents ...*ast.Ident) []string {
	var names []string
	for _, ident := range idents {
		if ident.IsExported() && (prefix == "" || ast.IsExported(prefix)) {
			names = append(names, prefix+ident.Name)
		}
	}
	return names
}
