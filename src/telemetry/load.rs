//! Minimum, mean and maximum of what was measured again and again during a run. Whole numbers,
//! as everything in the record: utilization in thousandths, load in thousandths, bytes, bytes
//! per second.

use std::collections::BTreeMap;

/// Of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Extent {
    pub min: i64,
    pub mean: i64,
    pub max: i64,
}

/// Gathers figures by their names.
#[derive(Debug, Default)]
pub struct Load(BTreeMap<&'static str, (i64, i64, i128, i128)>);

impl Load {
    /// Adds a figure; what is not a number is left out.
    pub fn add(&mut self, name: &'static str, figure: f64) {
        if !figure.is_finite() {
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a figure is saturated, not wrapped")]
        let figure = figure.round() as i64;
        let seen = self.0.entry(name).or_insert((figure, figure, 0, 0));
        seen.0 = seen.0.min(figure);
        seen.1 = seen.1.max(figure);
        seen.2 += i128::from(figure);
        seen.3 += 1;
    }

    /// What was measured, by name.
    pub fn extents(&self) -> BTreeMap<&'static str, Extent> {
        let extent = |(min, max, sum, count): &(i64, i64, i128, i128)| Extent {
            min: *min,
            mean: i64::try_from(sum / count).unwrap_or(*max),
            max: *max,
        };
        self.0.iter().map(|(name, seen)| (*name, extent(seen))).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_lies_between_minimum_and_maximum_and_no_number_is_left_out() {
        let mut load = Load::default();
        for figure in [3.0, f64::NAN, 1.2, 8.0] {
            load.add("cpu", figure);
        }
        assert_eq!(load.extents()["cpu"], Extent { min: 1, mean: 4, max: 8 });
    }
}
