//! The rules of the house that a compiler does not know: which crate may know which, what pure
//! crates never call, how long a file or a function may get, what may not be left lying about.
//!
//! Reads manifests and sources only; knows nothing of what the code does.

mod tidy {
    pub mod graph;
    pub mod purity;
    pub mod shape;
    pub mod source;
}

/// Fails with every fault at once, each a line that says where and what to do.
fn no_faults(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n\n{}\n\n", faults.join("\n"));
}

#[test]
fn crates_know_only_the_crates_below_them() {
    no_faults(tidy::graph::faults_of_ours(&tidy::graph::packages()));
}

#[test]
fn pure_crates_depend_on_nothing_that_does_io() {
    no_faults(tidy::graph::faults_of_externals(&tidy::graph::packages()));
}

#[test]
fn crates_use_what_they_depend_on() {
    no_faults(tidy::graph::faults_of_unused(&tidy::graph::packages()));
}

#[test]
fn pure_crates_reach_no_clock_no_io_no_lock_and_no_ambient_randomness() {
    no_faults(tidy::purity::faults_of_calls());
}

#[test]
fn clippy_holds_the_same_list_in_each_pure_crate() {
    no_faults(tidy::purity::faults_of_clippy_lists());
}

#[test]
fn unsafe_code_is_where_it_is_named_and_nowhere_else() {
    no_faults(tidy::shape::faults_of_unsafe_code());
}

#[test]
fn every_file_says_what_it_owns() {
    no_faults(tidy::shape::faults_of_module_docs());
}

#[test]
fn files_and_functions_stay_short() {
    no_faults(tidy::shape::faults_of_length());
}

#[test]
fn nothing_is_left_lying_about() {
    no_faults(tidy::shape::faults_of_leftovers());
}
