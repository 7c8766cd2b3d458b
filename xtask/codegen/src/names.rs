//! Kafka's names as Rust's.

/// `TopicPartition` as `topic_partition`; `KRaft` and `2Pc` (two-phase commit) are words.
pub(super) fn snake_case(name: &str) -> String {
    let characters: Vec<char> = name.replace("KRaft", "Kraft").replace("2Pc", "_2pc").chars().collect();
    let mut snake = String::new();
    for (index, &character) in characters.iter().enumerate() {
        let next_is_lower = characters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        let after_word = index > 0 && !characters[index - 1].is_ascii_uppercase();
        if character.is_ascii_uppercase() && (after_word || (index > 0 && next_is_lower)) {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// The Rust field of a Kafka field.
pub(super) fn field(name: &str) -> String {
    let snake = snake_case(name);
    if KEYWORDS.contains(&snake.as_str()) { format!("r#{snake}") } else { snake }
}

/// The name in Kafka's JSON: the first letter is lowered, whatever follows.
pub(super) fn json(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + characters.as_str())
}

/// The words that cannot be names without `r#`; `self`, `super` and `crate` cannot even then, and no field has them.
const KEYWORDS: [&str; 44] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "use", "where", "while",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        for (name, expected) in [
            ("TopicPartition", "topic_partition"),
            ("timeoutMs", "timeout_ms"),
            ("KRaftVersion", "kraft_version"),
            ("KRaftVersionFeature", "kraft_version_feature"),
            ("isKRaftController", "is_kraft_controller"),
            ("V0Host", "v0_host"),
            ("Enable2Pc", "enable_2pc"),
            ("ISR", "isr"),
            ("ISRNodes", "isr_nodes"),
            ("Match", "r#match"),
            ("Type", "r#type"),
        ] {
            assert_eq!(field(name), expected);
        }
    }

    #[test]
    fn json_names_differ_in_the_first_letter_only() {
        assert_eq!(json("KRaftVersionFeature"), "kRaftVersionFeature");
        assert_eq!(json("offset"), "offset");
    }
}
