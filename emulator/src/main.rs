//! The emulator as a program; see the module `program`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tablestore_emulator::_program()
}
