//! The binary: see the library.

fn main() -> std::process::ExitCode {
    strongroom::doors::cli::main()
}
