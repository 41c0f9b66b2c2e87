//! Commands about one file of a flow, without a server.
//!
//! Owns: reading the file, with its faults by line. Does not own: the picture
//! ([`super::flow_graph`]), the walk ([`super::flow_run`]).

use super::{Failure, flow_graph, flow_run};
use crate::config::tree::Node;
use clap::Subcommand;
use hotline_ivr::model;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// What is done with a flow.
#[derive(Debug, Subcommand)]
pub enum Flow {
    /// Draw it: SVG with every node and edge.
    Graph {
        /// The flow: flows/NAME.toml, or NAME.json as the API gives it.
        file: PathBuf,
        /// Where the picture goes; standard output if not given.
        #[arg(long, value_name = "FILE.svg")]
        out: Option<PathBuf>,
    },
    /// Walk through it in virtual time: what a caller would hear, or with --all every path of it.
    Run(flow_run::RunFlow),
}

/// `hotline flow …`.
pub fn perform(command: &Flow) -> Result<(), Failure> {
    match command {
        Flow::Run(options) => flow_run::perform(options),
        Flow::Graph { file, out } => {
            let (name, flow) = read(file)?;
            let svg = flow_graph::svg(&name, &flow);
            let Some(out) = out else {
                print!("{svg}");
                return Ok(());
            };
            std::fs::write(out, svg)
                .map_err(|error| Failure::Failed(format!("{}: {error}", out.display())))?;
            println!("wrote {}", out.display());
            Ok(())
        }
    }
}

/// Reads a flow, and its name by its file's; what is wrong with it by line.
pub fn read(file: &Path) -> Result<(String, model::Flow), Failure> {
    let shown = file.display();
    let failed = |what: String| Failure::Failed(format!("{shown}{what}"));
    let text = std::fs::read_to_string(file).map_err(|error| failed(format!(": {error}")))?;
    let tree = if file.extension().is_some_and(|extension| extension == "json") {
        let json: Json =
            serde_json::from_str(&text).map_err(|error| failed(format!(": {error}")))?;
        Node::from_json(&json)
    } else {
        Node::from_toml(&text).map_err(|(line, what)| failed(format!(":{line}: {what}")))?
    };
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let flow = hotline_ivr::read::flow(&tree.to_json()).map_err(|faults| {
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| match tree.at(&fault.path).line {
                0 => format!("{shown}: {fault}"),
                line => format!("{shown}:{line}: {fault}"),
            })
            .collect();
        Failure::Failed(lines.join("\n"))
    })?;
    Ok((name.to_owned(), flow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_flow_names_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wrong.toml");
        let text = "start = \"hello\"\n\n[node.hello]\nkind = \"play\"\nsay = [\n  \"welcome\",\n  { digits = \"1 +\" },\n]\nnext = \"bye\"\n[node.bye]\nkind = \"end\"\ncause = 200\n";
        std::fs::write(&file, text).unwrap();
        let Err(Failure::Failed(faults)) = read(&file) else { panic!("it can be read") };
        let lines: Vec<&str> = faults.lines().collect();
        let [cause, digits] = lines.as_slice() else { panic!("{faults}") };
        assert!(
            cause.contains("wrong.toml:12: node \"bye\": cause = 200; allowed 1–127"),
            "{cause}"
        );
        assert!(digits.contains("wrong.toml:7: node \"hello\": say.1.digits = "), "{digits}");
        std::fs::write(&file, "start = \"hello").unwrap();
        let Err(Failure::Failed(fault)) = read(&file) else { panic!("it can be read") };
        assert!(fault.contains("wrong.toml:1: "), "{fault}");
    }
}
