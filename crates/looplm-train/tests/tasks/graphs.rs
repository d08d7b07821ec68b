//! `root`, `k-hop` and `reach`: the answers, found again by walking the listed edges.

use std::collections::{HashMap, HashSet};

use looplm_train::Split;

use crate::common::{Read, held, read, task, try_task};

/// The pairs between `<bos>` and `?`, and the words after it.
fn split(document: &Read) -> (Vec<(&str, &str)>, Vec<&str>) {
    let words: Vec<&str> = document.words.iter().map(String::as_str).collect();
    assert_eq!(words[0], "<bos>");
    let ask = words.iter().position(|w| *w == "?").expect("a question");
    let pairs = words[1..ask].chunks(2).map(|p| (p[0], p[1])).collect();
    (pairs, words[ask + 1..].to_vec())
}

#[test]
fn the_root_is_found_by_climbing() {
    let task = task("kind = \"root\"\nnodes = 12\nroots = 5\ndepth = 4");
    let mut seen = HashSet::new();
    for document in held(task.as_ref(), 200) {
        let (pairs, question) = split(&document);
        let parent: HashMap<&str, &str> = pairs.iter().copied().collect();
        assert_eq!((pairs.len(), parent.len()), (12, 12));
        assert_eq!(parent.iter().filter(|(c, p)| c == p).count(), 5);
        let [start, "="] = question[..] else {
            panic!("{question:?}");
        };
        let (mut node, mut hops) = (start, 0);
        while parent[node] != node {
            node = parent[node];
            hops += 1;
        }
        let (answer, difficulty) = document.last();
        assert_eq!(answer, node);
        assert_eq!(
            difficulty.split(' ').next(),
            Some(hops.to_string().as_str())
        );
        seen.insert(hops);
    }
    assert_eq!(seen.len(), 5, "depths 0 to 4");
}

#[test]
fn children_can_stand_before_their_parents() {
    let task = task("kind = \"root\"\nnodes = 9\nroots = 3\ndepth = 3\norder = \"child-first\"");
    for document in held(task.as_ref(), 100) {
        let (pairs, _) = split(&document);
        for (i, (_, parent)) in pairs.iter().enumerate() {
            let of_parent = pairs.iter().position(|(c, _)| c == parent);
            assert!(of_parent.expect("it is listed") >= i);
        }
    }
}

#[test]
fn forests_that_cannot_be_are_refused() {
    for (nodes, roots, depth) in [(5, 2, 4), (20, 3, 4)] {
        let table = format!("kind = \"root\"\nnodes = {nodes}\nroots = {roots}\ndepth = {depth}");
        let error = try_task(&table).expect_err("they do not fit");
        assert_eq!(error.field(), Some("task.nodes"));
    }
}

#[test]
fn k_hops_are_counted() {
    let task = task("kind = \"k-hop\"\nnodes = 7\nhops = 5");
    let mut seen = HashSet::new();
    for document in held(task.as_ref(), 200) {
        let (pairs, question) = split(&document);
        let next: HashMap<&str, &str> = pairs.iter().copied().collect();
        assert_eq!(
            next.values().collect::<HashSet<_>>().len(),
            7,
            "a permutation"
        );
        let [hops, start, "="] = question[..] else {
            panic!("{question:?}");
        };
        let count: usize = hops.parse().expect("a number");
        let (answer, difficulty) = document.last();
        assert_eq!(answer, (0..count).fold(start, |n, _| next[n]));
        assert_eq!(difficulty.split(' ').next(), Some(hops));
        seen.insert(count);
    }
    assert_eq!(seen.len(), 5);
}

/// All shortest distances by Floyd and Warshall.
fn all_distances(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    const FAR: usize = 1 << 20;
    let mut d = vec![vec![FAR; nodes]; nodes];
    for &(a, b) in edges {
        d[a][b] = 1;
    }
    for k in 0..nodes {
        for i in 0..nodes {
            for j in 0..nodes {
                d[i][j] = d[i][j].min(d[i][k] + d[k][j]);
            }
        }
    }
    d
}

#[test]
fn reachability_joins_listed_and_known_edges() {
    let task =
        task("kind = \"reach\"\nnodes = 16\nknown_edges = 9\nlisted_edges = 6\ndistance = 3");
    let description = task.description().expect("it describes itself");
    let nodes: Vec<&str> = description["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|n| n.as_str().expect("a name"))
        .collect();
    let id = |name: &str| nodes.iter().position(|n| *n == name).expect("a node");
    let known: Vec<(usize, usize)> = description["known_edges"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| {
            (
                id(e[0].as_str().expect("a name")),
                id(e[1].as_str().expect("a name")),
            )
        })
        .collect();
    assert_eq!(known.len(), 9);
    let mut count: HashMap<String, usize> = HashMap::new();
    let mut needed_known = 0;
    for document in read(task.as_ref(), &task.batch(Split::Train, 0, 400)) {
        let (pairs, question) = split(&document);
        let listed: Vec<(usize, usize)> = pairs.iter().map(|(a, b)| (id(a), id(b))).collect();
        assert!(listed.iter().all(|e| !known.contains(e)));
        let [start, goal, "="] = question[..] else {
            panic!("{question:?}");
        };
        let (start, goal) = (id(start), id(goal));
        let distance = all_distances(16, &[known.as_slice(), &listed].concat())[start][goal];
        let (answer, difficulty) = document.last();
        match answer {
            "yes" => assert_eq!(difficulty, format!("distance {distance}")),
            "no" => assert!(distance > 16 && difficulty == "no path"),
            other => panic!("{other}"),
        }
        needed_known +=
            usize::from(answer == "yes" && all_distances(16, &listed)[start][goal] > 16);
        *count.entry(difficulty.to_owned()).or_default() += 1;
    }
    assert_eq!(count.len(), 4, "{count:?}");
    assert!((150..250).contains(&count["no path"]), "{count:?}");
    assert!(
        needed_known > 50,
        "{needed_known} answers are not in the list alone"
    );
}
