// Draws every figure of the page from the JSON beside it. Colours follow the page's theme, also when it changes.
"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let drawn = [];

  // Chart.js has no error bars: a line from low to high over each bar, with a short stroke at both ends.
  const intervals = {
    id: "intervals",
    afterDatasetsDraw(chart) {
      const context = chart.ctx;
      context.save();
      context.strokeStyle = colour("--text");
      context.lineWidth = 1.5;
      chart.data.datasets.forEach((dataset, index) => {
        if (!dataset.intervals || !chart.isDatasetVisible(index)) return;
        chart.getDatasetMeta(index).data.forEach((bar, at) => {
          const interval = dataset.intervals[at];
          if (!interval) return;
          const [low, high] = interval.map((value) => chart.scales.y.getPixelForValue(value));
          context.beginPath();
          context.moveTo(bar.x, low);
          context.lineTo(bar.x, high);
          for (const end of [low, high]) {
            context.moveTo(bar.x - 4, end);
            context.lineTo(bar.x + 4, end);
          }
          context.stroke();
        });
      });
      context.restore();
    },
  };

  const config = (spec) => {
    const text = { color: colour("--text"), font: { size: 13 } };
    const dim = { color: colour("--dim"), font: { size: 12 } };
    return {
      type: "bar",
      plugins: [intervals],
      data: {
        labels: spec.labels,
        datasets: spec.series.map((series) => ({
          label: series.label,
          data: series.values,
          intervals: series.intervals,
          backgroundColor: colour(series.colour),
          maxBarThickness: spec.touching ? undefined : 48,
          categoryPercentage: spec.touching ? 1 : 0.7,
          barPercentage: spec.touching ? 0.94 : 0.9,
        })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        plugins: {
          legend: { display: spec.series.length > 1, position: "top", align: "start", labels: { ...text, boxWidth: 14 } },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${spec.texts[item.datasetIndex][item.dataIndex]}` } },
        },
        scales: {
          x: { grid: { display: false }, ticks: { ...dim, autoSkip: spec.labels.length > 12 }, title: { display: !!spec.x, text: spec.x, ...dim } },
          y: {
            min: 0,
            max: spec.most ?? undefined,
            grid: { color: colour("--line") },
            border: { display: false },
            ticks: { ...dim, precision: spec.whole ? 0 : undefined },
            title: { display: true, text: spec.y, ...dim },
          },
        },
      },
    };
  };

  const draw = () => {
    drawn.forEach((chart) => chart.destroy());
    drawn = specs.map((spec) => new Chart(document.getElementById(spec.id), config(spec)));
  };
  draw();
  dark.addEventListener("change", draw);
  addEventListener("beforeprint", () => drawn.forEach((chart) => chart.resize()));
})();
