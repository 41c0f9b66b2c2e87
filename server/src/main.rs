//! The binary: everything is in the library.

/// Fewer page faults and less contention than the system's allocator under many small messages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hotline::cli::run()
}
