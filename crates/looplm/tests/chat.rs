//! Chat templates, rendered as Transformers renders them.

mod support;

use looplm::chat::{ChatError, ChatOptions, ChatTemplate, Message};
use looplm::checkpoint::MemorySource;
use looplm::error::Coded;
use looplm::tokenizer::TokenizerConfig;
use pollster::block_on;
use serde_json::json;

/// ChatML with a thinking switch, as the Ouro models speak it.
const CHATML: &str = r#"{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- set content = message.content %}
        {%- if '</think>' in content %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\n' + content + '<|im_end|>\n' }}
    {%- elif message.role == 'user' %}
        {{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role != 'system' or not loop.first %}
        {{- raise_exception('unknown role: ' + message.role) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- elif enable_thinking is defined %}
        {{- '<think>\n' }}
    {%- endif %}
{%- endif %}"#;

fn say(turns: &[(&str, &str)]) -> Vec<Message> {
    turns
        .iter()
        .map(|&(role, content)| Message {
            role: role.to_owned(),
            content: content.to_owned(),
        })
        .collect()
}

fn template(text: &str) -> ChatTemplate {
    let config =
        TokenizerConfig::from_json(br#"{"bos_token": "<s>", "eos_token": {"content": "</s>"}}"#)
            .expect("a configuration");
    ChatTemplate::new(text.to_owned(), &config).expect("a template")
}

/// What a template makes of three turns.
fn render(text: &str) -> Result<String, ChatError> {
    template(text).render(
        &say(&[
            ("user", "  one "),
            ("assistant", "two"),
            ("user", "three<é>\""),
        ]),
        ChatOptions::default(),
    )
}

#[track_caller]
fn renders(text: &str, expected: &str) {
    assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
}

#[test]
fn a_conversation_of_several_turns() {
    let turns = say(&[
        ("system", "Be brief."),
        ("user", "2 + 2?"),
        ("assistant", "<think>\nadd\n</think>\n\n4"),
        ("user", "Thanks <b>&"),
    ]);
    let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n<|im_start|>user\nThanks <b>&<|im_end|>\n";
    let t = template(CHATML);
    let with = |add_generation_prompt, enable_thinking| {
        t.render(
            &turns,
            ChatOptions {
                add_generation_prompt,
                enable_thinking,
            },
        )
        .expect("text")
    };
    assert_eq!(with(false, None), expected);
    assert_eq!(
        with(true, None),
        format!("{expected}<|im_start|>assistant\n")
    );
    assert_eq!(
        with(true, Some(true)),
        format!("{expected}<|im_start|>assistant\n<think>\n")
    );
    assert_eq!(
        with(true, Some(false)),
        format!("{expected}<|im_start|>assistant\n<think>\n\n</think>\n\n")
    );
    assert_eq!(with(false, Some(true)), expected);
}

#[test]
fn a_conversation_goes_through_the_tokenizer_whole() {
    let t = looplm::tokenizer::Tokenizer::from_json(
        support::byte_level().to_string().as_bytes(),
        &TokenizerConfig::default(),
        1000,
    )
    .expect("a tokenizer");
    let text = template(CHATML)
        .render(&say(&[("user", "hello")]), ChatOptions::default())
        .expect("text");
    let ids = t.encode(&text, false).expect("ids");
    assert_eq!(
        (ids[0], ids.iter().filter(|&&id| id == 262).count()),
        (262, 2),
        "<|im_start|> is one token, twice"
    );
    assert_eq!(t.decode(&ids, false).expect("text"), text);
}

#[test]
fn what_published_templates_use_works() {
    renders(
        "{% for m in messages[::-1] %}{{ m.content }}|{% endfor %}",
        "three<é>\"|two|  one |",
    );
    renders(
        "{{ messages[0]['content'].strip() }}{{ messages[0].content.lstrip() + messages[0].content.rstrip() }}",
        "oneone   one",
    );
    renders(
        "{{ 'a,b,c'.split(',')[-1] }}{{ 'a,b,c'.split(',', 1)[1] }}",
        "cb,c",
    );
    renders(
        "{% for m in messages %}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ ', ' if not loop.last }}{% endfor %}",
        "0TrueFalse, 1FalseFalse, 2FalseTrue",
    );
    renders(
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
        "3",
    );
    renders("{{ bos_token }}{{ eos_token }}", "<s></s>");
    renders(
        "{% if tools %}tools{% endif %}{% if documents is defined %}documents{% endif %}{{ undefined_thing }}",
        "",
    );
    renders(
        "{{ messages | length }}{{ (messages | last).role }}{{ messages | map(attribute='role') | join(',') }}",
        "3useruser,assistant,user",
    );
    renders(
        "{{ messages[0].role.upper() }}{{ 'abc'.startswith('ab') }}{{ 'abc'.replace('b', 'x') }}{{ 'a b'.title() }}",
        "USERTrueaxcA B",
    );
    renders(
        "{%- macro turn(m) -%}[{{ m.role }}]{%- endmacro -%}{{ turn(messages[1]) }}",
        "[assistant]",
    );
    renders(
        "{% for m in messages %}{% if m.role == 'assistant' %}{% continue %}{% endif %}{{ m.role }}{% endfor %}",
        "useruser",
    );
    renders(
        "{{ messages[0].items() | list | length }}{{ messages[0].get('tool_calls', 'none') }}",
        "2none",
    );
    renders(
        "{{ 'x' if messages[0].content is string else 'y' }}{{ messages[0] is mapping }}{{ messages is iterable }}",
        "xTrueTrue",
    );
}

#[test]
fn lines_with_only_a_block_leave_nothing_behind() {
    renders("a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc");
}

#[test]
fn json_is_written_as_python_writes_it() {
    renders(
        "{{ messages[2] | tojson }}",
        "{\"role\": \"user\", \"content\": \"three<é>\\\"\"}",
    );
    renders(
        "{{ [1, 'a', none, true, 1.5] | tojson }}",
        "[1, \"a\", null, true, 1.5]",
    );
    renders(
        "{{ {'a': [1, 2], 'b': []} | tojson(indent=2) }}",
        "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}",
    );
    renders("{{ 'é' | tojson(ensure_ascii=false) }}", "\"é\"");
}

#[test]
fn the_date_is_that_of_today() {
    let text = render("{{ strftime_now('%Y-%m-%d') }}").expect("a date");
    let mut parts = text.split('-').map(|p| p.parse::<u32>().expect("a number"));
    assert!(
        parts.next() >= Some(2025)
            && parts.next() <= Some(12)
            && parts.next() <= Some(31)
            && parts.next().is_none(),
        "{text}"
    );
    assert_eq!(
        render("{{ strftime_now('%!') }}")
            .expect_err("must be refused")
            .kind(),
        "chat-template-fails"
    );
}

#[test]
fn a_template_may_refuse() {
    let error = template(CHATML)
        .render(
            &say(&[("user", "x"), ("wizard", "y")]),
            ChatOptions::default(),
        )
        .expect_err("must be refused");
    assert_eq!(
        (
            error.kind(),
            error.code(),
            error.details().argument.as_deref()
        ),
        (
            "chat-template-refuses",
            "invalid-argument",
            Some("messages")
        )
    );
    assert!(
        error.to_string().ends_with("unknown role: wizard"),
        "{error}"
    );
    let nested = render("{% macro f() %}{{ raise_exception('no') }}{% endmacro %}{{ f() }}")
        .expect_err("must be refused");
    assert_eq!(
        nested,
        ChatError::Refused {
            message: "no".to_owned()
        }
    );
}

#[test]
fn a_wrong_template_says_where() {
    let parse = ChatTemplate::new("a\n\n{% if %}".to_owned(), &TokenizerConfig::default())
        .expect_err("must be refused");
    assert!(
        matches!(parse, ChatError::Template { line: Some(3), .. }),
        "{parse:?}"
    );
    assert_eq!(
        (parse.kind(), parse.code()),
        ("chat-template-fails", "tokenizer-invalid")
    );
    let run = render("a\n{{ messages[0].content.nonsense() }}").expect_err("must be refused");
    assert!(
        matches!(run, ChatError::Template { line: Some(2), .. }),
        "{run:?}"
    );
    // A tag of Transformers' own, for training, that the engine does not have.
    let foreign = ChatTemplate::new(
        "{% generation %}x{% endgeneration %}".to_owned(),
        &TokenizerConfig::default(),
    );
    assert!(
        matches!(foreign, Err(ChatError::Template { line: Some(1), .. })),
        "{foreign:?}"
    );
    let empty = template(CHATML).render(&[], ChatOptions::default());
    assert!(
        matches!(empty, Err(ChatError::Template { .. })),
        "{empty:?}"
    );
}

#[test]
fn a_template_that_would_run_for_ever_ends() {
    let text = "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}{% endfor %}{% endfor %}{% endfor %}";
    assert_eq!(
        render(text).expect_err("must be refused").kind(),
        "chat-template-fails"
    );
    assert_eq!(
        render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")
            .expect_err("must be refused")
            .kind(),
        "chat-template-fails"
    );
}

#[test]
fn the_template_is_found_where_it_may_be() {
    let read = |source: MemorySource| {
        block_on(async {
            let config = TokenizerConfig::read(&source)
                .await
                .expect("a configuration");
            ChatTemplate::read(&source, &config).await
        })
    };
    let text = |source: MemorySource| {
        read(source)
            .expect("no error")
            .map(|t| t.render(&[], ChatOptions::default()).expect("text"))
    };
    let config = |value: serde_json::Value| {
        MemorySource::new().with(
            "tokenizer_config.json",
            json!({"chat_template": value}).to_string(),
        )
    };
    let named =
        json!([{"name": "tool_use", "template": "tool"}, {"name": "default", "template": "named"}]);
    assert_eq!(text(MemorySource::new()), None);
    assert_eq!(text(config(json!(null))), None);
    assert_eq!(text(config(json!("one"))).as_deref(), Some("one"));
    assert_eq!(text(config(named)).as_deref(), Some("named"));
    assert_eq!(
        text(config(json!("one")).with("chat_template.jinja", "own file")).as_deref(),
        Some("own file")
    );
    let without = read(config(json!([{"name": "tool_use", "template": "tool"}])))
        .expect_err("must be refused");
    assert_eq!(
        (without.kind(), without.code()),
        ("chat-template-no-default", "chat-template-missing")
    );
    assert!(without.to_string().contains("tool_use"), "{without}");
    assert_eq!(ChatError::Missing.code(), "chat-template-missing");
    assert_eq!(
        read(MemorySource::new().with("chat_template.jinja", vec![0xff]))
            .expect_err("must be refused")
            .kind(),
        "chat-template-fails"
    );
}
