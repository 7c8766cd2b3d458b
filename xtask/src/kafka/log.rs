//! Picks from a program's output the few lines that tell why it ended.

const LINES_MAX: usize = 20;

/// The last error lines, or else the last lines; without the frames of stack traces, which bury them.
///
/// The very end of a broker's log shows its shutdown, not the reason for it.
pub(crate) fn telling_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !is_frame(line)).collect();
    let errors: Vec<&str> = lines.iter().copied().filter(|line| is_error(line)).collect();
    let chosen = if errors.is_empty() { lines } else { errors };
    chosen[chosen.len().saturating_sub(LINES_MAX)..].join("\n")
}

fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with("at ") || line.starts_with("... ")
}

/// How slf4j-simple, Maven, the Java runtime and plain Unix programs mark what went wrong. Ordinary lines of a broker's log
/// may hold such words in names.
fn is_error(line: &str) -> bool {
    let marked = |marks: &[&str]| marks.iter().any(|mark| line.contains(mark));
    marked(&["ERROR", "Error", "error", "FATAL", "Exception"]) && !marked(&[" INFO ", " WARN "])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_win_over_the_end() {
        let log = "1 [main] INFO No errors\nINFO up\nERROR bad\n\tat a.B\nCaused by: java.net.BindException: Address already in use\n\t... 3 more\nINFO down";
        assert_eq!(telling_lines(log), "ERROR bad\nCaused by: java.net.BindException: Address already in use");
        assert_eq!(telling_lines("one\n\ntwo"), "one\ntwo");
    }

    #[test]
    fn length_is_bounded() {
        let log = "line\n".repeat(1000);
        assert_eq!(telling_lines(&log).lines().count(), LINES_MAX);
    }
}
