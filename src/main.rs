//! The program; everything that it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sluse::operator::answer(sluse::operator::cli::Cli::from_command_line())
}
