//! Tokenizers whose tokens are whole words, as files beside the weights.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// A vocabulary of whole lower-case words separated by spaces. The first is `<unk>`; special tokens come next.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    words: Vec<String>,
    specials: usize,
    bos: Option<u32>,
    eos: Option<u32>,
}

impl Words {
    /// `<unk>`, then `<bos>` if asked for, then `<eos>` if asked for, then the words.
    pub(crate) fn new(
        bos: bool,
        eos: bool,
        words: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let mut all = vec!["<unk>".to_owned()];
        let mut special = |wanted: bool, name: &str| {
            wanted.then(|| {
                all.push(name.to_owned());
                all.len() as u32 - 1
            })
        };
        let (bos, eos) = (special(bos, "<bos>"), special(eos, "<eos>"));
        let specials = all.len();
        all.extend(words.into_iter().map(Into::into));
        Words {
            words: all,
            specials,
            bos,
            eos,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn bos(&self) -> Option<u32> {
        self.bos
    }

    pub(crate) fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The id of the first word that is not special.
    pub(crate) fn first(&self) -> u32 {
        self.specials as u32
    }

    /// The word of an id; `<unk>` for one there is not.
    pub(crate) fn word(&self, id: u32) -> &str {
        self.words.get(id as usize).map_or("<unk>", String::as_str)
    }

    /// Ids as text, special tokens left out.
    pub(crate) fn text(&self, ids: &[u32]) -> String {
        let words: Vec<&str> = ids
            .iter()
            .filter(|&&id| id >= self.first())
            .map(|&id| self.word(id))
            .collect();
        words.join(" ")
    }

    /// `tokenizer.json` and `tokenizer_config.json`, for sequences of up to `max_length` tokens.
    pub(crate) fn files(&self, max_length: usize) -> Vec<(String, Vec<u8>)> {
        vec![
            ("tokenizer.json".to_owned(), pretty(&self.tokenizer(), "  ")),
            ("tokenizer_config.json".to_owned(), {
                let mut bytes = pretty(&self.tokenizer_config(max_length), " ");
                bytes.push(b'\n');
                bytes
            }),
        ]
    }

    fn tokenizer(&self) -> Value {
        let added: Vec<Value> = (0..self.specials)
            .map(|id| {
                json!({
                    "id": id, "content": self.words[id], "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true,
                })
            })
            .collect();
        let vocab: Map<String, Value> = self
            .words
            .iter()
            .enumerate()
            .map(|(id, word)| (word.clone(), json!(id)))
            .collect();
        let sequence = |id: &str, kind: u8| json!({"Sequence": {"id": id, "type_id": kind}});
        let processor = self.bos.map(|bos| {
            let name = self.word(bos);
            json!({
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": name, "type_id": 0}}, sequence("A", 0)],
                "pair": [sequence("A", 0), sequence("B", 1)],
                "special_tokens": {name: {"id": name, "ids": [bos], "tokens": [name]}},
            })
        });
        // No decoder: `tokenizers` then joins the words with spaces.
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": processor, "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
        })
    }

    fn tokenizer_config(&self, max_length: usize) -> Value {
        let mut config = Map::new();
        config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        for (key, id) in [("bos_token", self.bos), ("eos_token", self.eos)] {
            if let Some(id) = id {
                config.insert(key.into(), self.word(id).into());
            }
        }
        config.insert("unk_token".into(), "<unk>".into());
        config.insert("do_lower_case".into(), true.into());
        config.insert("clean_up_tokenization_spaces".into(), false.into());
        config.insert("model_max_length".into(), max_length.into());
        Value::Object(config)
    }
}

/// JSON for people, indented as asked.
pub(crate) fn pretty(value: &Value, indent: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Writing a JSON value into memory has nothing to fail at.
    let _ = value.serialize(&mut serializer);
    bytes
}
