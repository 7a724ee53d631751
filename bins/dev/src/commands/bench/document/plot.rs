//! A plot as SVG: something of several servers, by how many readers there are; both in powers of ten.

use anyhow::{Result, anyhow};
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color as _, IntoDrawingArea as _, IntoLogRange as _, LineSeries,
    PathElement, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};

/// Told apart by people who see no red or no green as well (Okabe and Ito 2008).
const COLOURS: [RGBColor; 3] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
];
const SIZE: (u32, u32) = (720, 380);

pub(super) struct Plot {
    /// The name of its file.
    pub(super) file: &'static str,
    /// What it shows.
    pub(super) label: &'static str,
    pub(super) series: Vec<Series>,
}

pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Plot {
    pub(super) fn svg(&self) -> Result<String> {
        let mut svg = String::new();
        // The library's errors borrow from what it draws on.
        self.draw(&mut svg)
            .map_err(|error| anyhow!("{}: {error}", self.file))?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.series.iter().flat_map(|one| &one.points);
        let least = points().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
        let most = points().map(|(_, y)| *y).fold(0.0, f64::max);
        let last = points().map(|(x, _)| *x).fold(1.0, f64::max);
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(14)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(
                (1.0..last * 1.3).log_scale(),
                (least * 0.7..most * 1.6).log_scale(),
            )?;
        chart
            .configure_mesh()
            .x_desc("readers")
            .y_desc(self.label)
            .x_label_formatter(&|x| format!("{x}"))
            .draw()?;
        for (one, colour) in self.series.iter().zip(COLOURS) {
            chart
                .draw_series(LineSeries::new(one.points.clone(), colour.stroke_width(2)))?
                .label(one.name.clone())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            let dots = one
                .points
                .iter()
                .map(|point| Circle::new(*point, 3, colour.filled()));
            chart.draw_series(dots)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
        Ok(())
    }
}
