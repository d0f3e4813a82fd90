//! [`Arguments`]: what was asked for.

use std::path::PathBuf;

use crate::client::Programs;
use crate::probes::{self, Probe, Result};

/// As many scenarios at a time, if nothing is said: they mostly wait.
const JOBS: usize = 6;

pub(crate) struct Arguments {
    pub(crate) programs: Programs,
    pub(crate) jobs: usize,
    pub(crate) goal: Goal,
    /// Names; none stands for all.
    names: Vec<String>,
}

/// What becomes of the figures.
pub(crate) enum Goal {
    Show,
    Write(PathBuf),
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
            _ => return Err(format!("no such option: {name}").into()),
        }
        Ok(())
    }

    /// The probes that are wanted; of a check those that are quick.
    pub(crate) fn probes(&self) -> Result<Vec<&'static Probe>> {
        let named = |name: &String| {
            let mut all = probes::ALL.iter();
            let found = all.find(|probe| probe.name == name);
            found.ok_or_else(|| format!("no probe is called {name}").into())
        };
        if !self.names.is_empty() {
            return self.names.iter().map(named).collect();
        }
        let check = matches!(self.goal, Goal::Check(_));
        let wanted = |probe: &&Probe| probe.quick || !check;
        Ok(probes::ALL.iter().filter(wanted).collect())
    }
}
