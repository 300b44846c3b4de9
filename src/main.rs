//! The program; everything that it does is in the library.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    sluse::operator::answer(sluse::operator::cli::Cli::parse())
}
