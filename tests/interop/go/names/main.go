// Prints every exported name of the official SDK's package tunnel, one a line:
// what docs/porting-from-go.md has to name. Made into
// tests/porting/go-names.txt, which a test without Go reads.
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

// receiver is the type of a method, with a dot, or nothing.
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

// members are the fields of a struct or the methods of an interface.
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
		// Without a name it is embedded, under the name of its type.
		if embedded, ok := member.Type.(*ast.Ident); ok && len(idents) == 0 {
			idents = []*ast.Ident{embedded}
		}
		names = append(names, exported(spec.Name.Name+".", idents...)...)
	}
	return names
}

// exported are the names that users see: those of a type that is not
// exported are out of their reach.
func exported(prefix string, idents ...*ast.Ident) []string {
	var names []string
	for _, ident := range idents {
		if ident.IsExported() && (prefix == "" || ast.IsExported(prefix)) {
			names = append(names, prefix+ident.Name)
		}
	}
	return names
}
