//! [`Arguments`]: the command line.

use std::path::PathBuf;

use crate::client::Programs;
use crate::probes::{self, Probe, Result};

/// The default number of scenarios that run at a time. They mostly wait.
const JOBS: usize = 6;

pub(crate) struct Arguments {
    pub(crate) programs: Programs,
    pub(crate) jobs: usize,
    pub(crate) goal: Goal,
    /// The names of probes. Empty for all probes.
    names: Vec<String>,
}

/// The use of the figures.
pub(crate) enum Goal {
    /// Print the table.
    Show,
    /// Write the page.
    Write(PathBuf),
    /// Check the limits and the page.
    Check(PathBuf),
}

impl Arguments {
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments> {
        let mut arguments = Arguments {
            programs: Programs::default(),
            jobs: JOBS,
            goal: Goal::Show,
            names: Vec::new(),
        };
        while let Some(argument) = given.next() {
            if !argument.starts_with("--") {
                arguments.names.push(argument);
                continue;
            }
            let value = given.next().ok_or(format!("{argument} needs a value"))?;
            arguments.set(&argument, value)?;
        }
        Ok(arguments)
    }

    fn set(&mut self, name: &str, value: String) -> Result<()> {
        match name {
            "--ours" => self.programs.ours = Some(value.into()),
            "--go" => self.programs.go = Some(value.into()),
            "--java" => self.programs.java = Some(value),
            "--jobs" => self.jobs = value.parse()?,
            "--write" => self.goal = Goal::Write(value.into()),
            "--check" => self.goal = Goal::Check(value.into()),
            _ => return Err(format!("unknown option: {name}").into()),
        }
        Ok(())
    }

    /// The selected probes. Without names, a check runs only the quick probes.
    pub(crate) fn probes(&self) -> Result<Vec<&'static Probe>> {
        let named = |name: &String| {
            let mut all = probes::ALL.iter();
            let found = all.find(|probe| probe.name == name);
            found.ok_or_else(|| format!("unknown probe: {name}").into())
        };
        if !self.names.is_empty() {
            return self.names.iter().map(named).collect();
        }
        let check = matches!(self.goal, Goal::Check(_));
        let wanted = |probe: &&Probe| probe.quick || !check;
        Ok(probes::ALL.iter().filter(wanted).collect())
    }
}
