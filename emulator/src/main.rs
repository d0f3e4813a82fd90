//! The emulator as a program, for clients in any language; see `program`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tablestore_emulator::_program()
}
