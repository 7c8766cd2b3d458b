//! One Kafka release on disk: its jars, fetched once by Maven, and our launcher class compiled against them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::java::Jdk;
use super::process::{self, Input};
use super::{Error, Folders, IoContext, Result, Version};

const POM: &str = include_str!("../../kafka/pom.xml");
const LAUNCHER: &str = include_str!("../../kafka/Launcher.java");
const FETCH_LIMIT: Duration = Duration::from_secs(600);
const COMPILE_LIMIT: Duration = Duration::from_secs(120);

/// A Kafka release that is ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    version: Version,
    jdk: Jdk,
    folder: PathBuf,
}

impl Release {
    /// Finds the release among the fetched ones, or fetches it (about 50 MB).
    pub(crate) fn prepare(version: Version, folders: &Folders) -> Result<Self> {
        let release = Self { version, jdk: Jdk::find()?, folder: folders.releases.join(version.to_string()) };
        fs::create_dir_all(&folders.releases).context(|| format!("create {}", folders.releases.display()))?;
        let lock_path = folders.releases.join(format!("{version}.lock"));
        // One process fetches, others wait for it; the limits of the holder's programs bound that wait, and the kernel
        // lets go of a dead holder's lock.
        let lock = File::create(&lock_path).context(|| format!("create {}", lock_path.display()))?;
        lock.lock().context(|| format!("lock {}", lock_path.display()))?;
        if !release.is_current() {
            release.fetch()?;
        }
        Ok(release)
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Where its jars are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// `java` with this release on its class path, and what was [compiled](Self::compile) for it.
    ///
    /// Small and quick to start rather than fast in the long run: suites start many brokers on few cores.
    pub(crate) fn java(&self) -> Command {
        let mut command = self.jdk.command("java");
        command.args(["-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        // No files outside the cluster's directory: a killed JVM could not remove them.
        command.arg("-XX:-UsePerfData");
        let (folder, programs) = (self.folder.display(), self.programs());
        command.arg("-cp").arg(format!("{folder}:{folder}/*:{}", programs.display()));
        command
    }

    /// `java` with this release on its class path, as it is fast in the long run.
    pub(crate) fn java_for_speed(&self) -> Command {
        let mut command = self.jdk.command("java");
        command.args(["-Xmx2g", "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"]);
        command.arg(self.folder.join("*"));
        command
    }

    /// `java` for one of Kafka's command-line tools, with the heap and the collector that Kafka's own scripts give it.
    pub(crate) fn script_command(&self, tool: &str) -> Command {
        let mut command = self.jdk.command("java");
        command.args(["-Xmx256M", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]);
        command.args(["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]);
        command.args(["-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]);
        command.arg(self.folder.join("*")).arg(main_class(tool, self.version));
        command
    }

    /// `java` for one of Kafka's command-line tools, with standard input free for data.
    pub(crate) fn tool_command(&self, tool: &str, arguments: &[impl AsRef<str>]) -> Command {
        let mut command = self.java();
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg(main_class(tool, self.version));
        command.args(arguments.iter().map(AsRef::as_ref));
        command
    }

    /// Compiles one Java source file against the release's jars, and leaves its classes in `folder`.
    pub(crate) fn compile(&self, folder: &Path, source: &Path) -> Result<()> {
        let mut command = self.jdk.command("javac");
        // A program may use those that were compiled before it.
        let class_path = format!("{}/*:{}", self.folder.display(), folder.display());
        command.args(["--release", "17", "-proc:none", "-nowarn", "-cp"]).arg(class_path);
        command.arg("-d").arg(folder).arg(source);
        process::run("javac", &mut command, Input::Bytes(b""), COMPILE_LIMIT).map(|_| ())
    }

    /// Runs a class that [`compile`](Self::compile) left in `classes`, and returns its standard output.
    pub(crate) fn run(
        &self,
        classes: &Path,
        class: &str,
        arguments: &[&str],
        input: &[u8],
        limit: Duration,
    ) -> Result<Vec<u8>> {
        process::run(class, self.program(classes, class).args(arguments), Input::Bytes(input), limit)
    }

    /// `java` for a class that [`compile`](Self::compile) left in `classes`; its arguments are still to come.
    pub(crate) fn program(&self, classes: &Path, class: &str) -> Command {
        let mut command = self.jdk.command("java");
        let (classes, jars) = (classes.display(), self.folder.display());
        command.args([
            "-Xmx1g",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]);
        command.arg("-cp").arg(format!("{classes}:{jars}/*")).arg(class);
        command
    }

    /// Compiles the text of the class `class` to where programs are kept, unless it is there.
    pub(crate) fn compile_program(&self, class: &str, source: &str) -> Result<()> {
        let folder = self.programs();
        fs::create_dir_all(&folder).context(|| format!("create {}", folder.display()))?;
        let (file, compiled) = (folder.join(format!("{class}.java")), folder.join(format!("{class}.class")));
        if compiled.exists() && fs::read(&file).is_ok_and(|found| found == source.as_bytes()) {
            return Ok(());
        }
        // What is left of another text, or of a compiler that was killed, is never taken for this one's.
        match fs::remove_file(&compiled) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.context(|| format!("remove {}", compiled.display()))?,
        }
        fs::write(&file, source).context(|| format!("write {}", file.display()))?;
        self.compile(&folder, &file)
    }

    /// Where programs compiled against this release may be kept.
    pub(crate) fn programs(&self) -> PathBuf {
        self.folder.with_file_name(format!("{}.programs", self.version))
    }

    /// Runs a command-line tool, such as `ConsoleProducer`, and returns its standard output.
    ///
    /// With `input`, the tool gets those bytes and ends with them; without, it ends with this process at the latest.
    pub(crate) fn tool(
        &self,
        tool: &str,
        arguments: &[&str],
        input: Option<&[u8]>,
        limit: Duration,
    ) -> Result<Vec<u8>> {
        if let Some(bytes) = input {
            return process::run(tool, &mut self.tool_command(tool, arguments), Input::Bytes(bytes), limit);
        }
        let mut command = self.java();
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.args(["Launcher", "tool", &main_class(tool, self.version)]).args(arguments);
        process::run(tool, &mut command, Input::Leash, limit)
    }

    /// Whether the folder was made from the pom and the launcher of this build.
    fn is_current(&self) -> bool {
        let holds =
            |name: &str, text: &str| fs::read(self.folder.join(name)).is_ok_and(|found| found == text.as_bytes());
        holds("pom.xml", POM) && holds("Launcher.java", LAUNCHER)
    }

    /// Fills a folder beside the final one and renames it, so that an interrupted fetch is never taken for complete.
    fn fetch(&self) -> Result<()> {
        eprintln!("fetching the jars of Kafka {} …", self.version);
        let partial = self.folder.with_file_name(format!("{}.partial", self.version));
        remove(&partial)?;
        fs::create_dir(&partial).context(|| format!("create {}", partial.display()))?;
        for (name, text) in [("pom.xml", POM), ("Launcher.java", LAUNCHER)] {
            let path = partial.join(name);
            fs::write(&path, text).context(|| format!("write {}", path.display()))?;
        }
        process::run("mvn", &mut self.maven(&partial), Input::Bytes(b""), FETCH_LIMIT).map_err(
            |error| match error {
                Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Error::NoMaven,
                other => other,
            },
        )?;
        self.compile_launcher(&partial)?;
        remove(&self.folder)?;
        fs::rename(&partial, &self.folder).context(|| format!("rename {}", partial.display()))
    }

    fn maven(&self, folder: &Path) -> Command {
        let mut command = Command::new("mvn");
        command.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
        command.arg(format!("-Dkafka.version={}", self.version));
        command.arg(format!("-DoutputDirectory={}", folder.display()));
        command.current_dir(folder);
        command
    }

    fn compile_launcher(&self, folder: &Path) -> Result<()> {
        let mut command = self.jdk.command("javac");
        command.args(["--release", "17", "-proc:none", "-cp", "*", "Launcher.java"]).current_dir(folder);
        process::run("javac", &mut command, Input::Bytes(b""), COMPILE_LIMIT).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Error::NoJdk { program: "javac".to_owned() }
            }
            other => other,
        })?;
        Ok(())
    }
}

/// Removes a folder that may not be there.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.context(|| format!("remove {}", folder.display())),
    }
}

/// The full name of a tool's class; a name with a dot is full already.
fn main_class(tool: &str, version: Version) -> String {
    match tool {
        full if full.contains('.') => full.to_owned(),
        "ConsoleConsumer" => "org.apache.kafka.tools.consumer.ConsoleConsumer".to_owned(),
        // It moved when it was rewritten in Java.
        "ConsoleProducer" if version.major < 4 => "kafka.tools.ConsoleProducer".to_owned(),
        short => format!("org.apache.kafka.tools.{short}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_tools_live() {
        let old = Version { major: 3, minor: 9, patch: 1 };
        assert_eq!(main_class("ConsoleProducer", old), "kafka.tools.ConsoleProducer");
        assert_eq!(main_class("ConsoleProducer", Version::NEWEST), "org.apache.kafka.tools.ConsoleProducer");
        assert_eq!(main_class("TopicCommand", old), "org.apache.kafka.tools.TopicCommand");
        assert_eq!(main_class("kafka.Kafka", old), "kafka.Kafka");
    }
}
