//! Colours, each in a light and a dark theme. Figures are drawn in the light ones; a style sheet replaces them.

use plotters::style::RGBColor;

use super::super::family::Family;

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Tone {
    /// Text, axes and what stands for full depth.
    Ink,
    /// A rule.
    Rule(Family),
    /// From easy (0) to hard (7).
    Ramp(usize),
    /// Bars of rules that are final.
    Final,
    /// Bars of rules whose guesses are verified.
    Verified,
}

/// Easy to hard, in both themes.
const RAMP: [(u32, u32); 8] = [
    (0x2f6fa7, 0x86c5f4),
    (0x1f808c, 0x6fd3de),
    (0x1d8358, 0x6fd8a6),
    (0x5b7d15, 0xb4d463),
    (0x966f00, 0xe5c04f),
    (0xb75612, 0xf5a366),
    (0xbb3b4b, 0xf7929c),
    (0x96388d, 0xe69bde),
];

impl Tone {
    /// All of them.
    fn all() -> impl Iterator<Item = Self> {
        let rules = Family::ALL.into_iter().map(Self::Rule);
        let ramp = (0..RAMP.len()).map(Self::Ramp);
        [Self::Ink, Self::Final, Self::Verified]
            .into_iter()
            .chain(rules)
            .chain(ramp)
    }

    /// The tone of number `i` of `of` difficulties.
    pub(in super::super) fn of_difficulty(i: usize, of: usize) -> Self {
        Self::Ramp(i * (RAMP.len() - 1) / (of.max(2) - 1).max(1))
    }

    /// In the light theme and in the dark one.
    fn themes(self) -> (u32, u32) {
        match self {
            Self::Ink => (0x20242a, 0xe6e8eb),
            Self::Rule(Family::Step) => (0x666c75, 0xa9b0ba),
            Self::Rule(Family::Gate) => (0x0b61a4, 0x6cb6f2),
            Self::Rule(Family::GateDelayed) => (0x0085a1, 0x5fd0e6),
            Self::Rule(Family::Hidden) => (0x2e7d32, 0x7fcf83),
            Self::Rule(Family::HiddenAbsolute) => (0x747a00, 0xcdd255),
            Self::Rule(Family::Confidence) => (0xc43e09, 0xff9566),
            Self::Rule(Family::Entropy) => (0x842a9a, 0xd99aea),
            Self::Rule(Family::Agree) => (0x986900, 0xe8bb45),
            Self::Ramp(i) => RAMP[i.min(RAMP.len() - 1)],
            Self::Final => (0xc94a14, 0xf58d5c),
            Self::Verified => (0x1c6cb0, 0x74b6ee),
        }
    }

    /// As figures are drawn.
    pub(super) fn colour(self) -> RGBColor {
        let [_, r, g, b] = self.themes().0.to_be_bytes();
        RGBColor(r, g, b)
    }
}

/// Rules of a style sheet that give figures the colours of the dark theme.
pub(in super::super) fn dark_theme() -> String {
    let rule = |tone: Tone| {
        let (light, dark) = tone.themes();
        format!(
            "svg [fill=\"#{light:06X}\"]{{fill:#{dark:06x}}}svg [stroke=\"#{light:06X}\"]{{stroke:#{dark:06x}}}"
        )
    };
    Tone::all().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Relative luminance, as WCAG 2 defines it.
    fn luminance(colour: u32) -> f64 {
        let [_, r, g, b] = colour.to_be_bytes();
        let linear = |c: u8| match f64::from(c) / 255.0 {
            c if c <= 0.040_45 => c / 12.92,
            c => ((c + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    #[test]
    fn every_colour_stands_out_and_has_a_partner_of_its_own() {
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        let (white, night) = (1.0, luminance(0x15181c));
        let mut light = HashSet::new();
        for tone in Tone::all() {
            let themes = tone.themes();
            assert!(contrast(luminance(themes.0), white) > 4.0, "{tone:?}");
            assert!(contrast(luminance(themes.1), night) > 4.0, "{tone:?}");
            assert!(light.insert(themes.0), "{tone:?} shares its light colour");
        }
        assert!(dark_theme().contains("[stroke=\"#0B61A4\"]{stroke:#6cb6f2}"));
    }
}
