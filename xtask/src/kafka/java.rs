//! Finds a JDK that can run Kafka.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use super::{Error, Result};

/// What Kafka 4 asks of brokers; 3.9 runs on it too.
const OLDEST_JAVA: u32 = 17;

/// An installed JDK, new enough for Kafka.
#[derive(Debug, Clone)]
pub(crate) struct Jdk {
    /// `JAVA_HOME/bin`, or `None` to search the `PATH`.
    bin: Option<PathBuf>,
}

impl Jdk {
    /// The JDK of `JAVA_HOME`, or else the first on the `PATH`.
    pub(crate) fn find() -> Result<Self> {
        let home = env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
        let jdk = Self { bin: home.map(|home| PathBuf::from(home).join("bin")) };
        let program = jdk.program("java");
        let missing = || Error::NoJdk { program: program.display().to_string() };
        let output = Command::new(&program).arg("-version").output().map_err(|_| missing())?;
        let text = String::from_utf8_lossy(&output.stderr);
        if major_version(&text).is_none_or(|major| major < OLDEST_JAVA) {
            let found = text.lines().next().unwrap_or_default().to_owned();
            return Err(Error::OldJava { program: program.display().to_string(), found });
        }
        Ok(jdk)
    }

    /// A command for one of the JDK's programs, `java` or `javac`.
    pub(crate) fn command(&self, program: &str) -> Command {
        Command::new(self.program(program))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.bin.as_ref().map_or_else(|| name.into(), |bin| bin.join(name))
    }
}

/// The feature release in the answer of `java -version`: 17 for `17.0.15`, 8 for `1.8.0_392`.
///
/// The quoted version may follow other lines, such as `Picked up JAVA_TOOL_OPTIONS`.
fn major_version(answer: &str) -> Option<u32> {
    let line = answer.lines().find(|line| line.contains(" version \""))?;
    let quoted = line.split('"').nth(1)?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_answers_of_real_jdks() {
        let answers = [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17)),
            ("openjdk version \"25\" 2025-09-16", Some(25)),
            ("openjdk version \"26-ea\" 2026-03-17", Some(26)),
            ("java version \"1.8.0_392\"", Some(8)),
            ("Picked up JAVA_TOOL_OPTIONS: -Dx=\"y\"\nopenjdk version \"21.0.2\"", Some(21)),
            ("java: command not found", None),
            ("", None),
        ];
        for (answer, expected) in answers {
            assert_eq!(major_version(answer), expected, "{answer}");
        }
    }
}
