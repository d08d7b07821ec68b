//! Words for people, relations and things. All are lower case, without spaces, and differ from each other.

/// Given names.
const PEOPLE: [&str; 64] = [
    "alice", "bob", "carol", "david", "emma", "frank", "grace", "henry", "iris", "jack", "kate",
    "leo", "mary", "nick", "olga", "peter", "quinn", "rosa", "sam", "tina", "ugo", "vera", "will",
    "xenia", "yara", "zack", "anna", "ben", "clara", "dan", "elena", "fred", "gina", "hugo", "ida",
    "john", "karl", "lucy", "max", "nora", "oscar", "paula", "rita", "simon", "tom", "ursula",
    "victor", "wanda", "adam", "bella", "cyrus", "dora", "eric", "flora", "george", "helen",
    "ivan", "julia", "kim", "laura", "martin", "nina", "otto", "paul",
];

/// What one person can be to another.
const RELATIONS: [&str; 24] = [
    "teacher", "friend", "boss", "neighbor", "doctor", "partner", "rival", "guide", "cousin",
    "lawyer", "coach", "tutor", "mentor", "dentist", "painter", "baker", "tailor", "driver",
    "singer", "banker", "editor", "agent", "barber", "butler",
];

/// Most people that [`people`] names.
pub(crate) const MAX_PEOPLE: usize = 4000;
/// Most relations there are words for.
pub(crate) const MAX_RELATIONS: usize = RELATIONS.len();

const CONSONANTS: [&str; 16] = [
    "b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z",
];
const VOWELS: [&str; 5] = ["a", "e", "i", "o", "u"];
/// Two syllables of a consonant and a vowel each.
const INVENTED: usize = 80 * 80;

/// Names of `n` people: those that people have first, then invented ones.
pub(crate) fn people(n: usize) -> Vec<String> {
    let real = PEOPLE.iter().map(|&s| s.to_owned());
    let more = (0..INVENTED).map(|i| invented(i, "x"));
    real.chain(more).take(n).collect()
}

/// Words for `n` relations.
pub(crate) fn relations(n: usize) -> Vec<String> {
    RELATIONS.iter().take(n).map(|&s| s.to_owned()).collect()
}

/// The invented word number `i`, under 6,400, with an ending that tells what kind of thing it names.
pub(crate) fn invented(i: usize, ending: &str) -> String {
    // 2,657 has no factor in common with 6,400: neighbours do not look alike, and no two are the same.
    let i = i * 2657 % INVENTED;
    let syllable = |s: usize| format!("{}{}", CONSONANTS[s / 5], VOWELS[s % 5]);
    format!("{}{}{ending}", syllable(i / 80), syllable(i % 80))
}

/// Names of the nodes of a graph: letters, or numbers where there are more nodes than letters.
pub(crate) fn nodes(n: usize) -> Vec<String> {
    match n {
        0..=26 => (b'a'..=b'z')
            .take(n)
            .map(|c| (c as char).to_string())
            .collect(),
        _ => (1..=n).map(|i| format!("n{i}")).collect(),
    }
}
