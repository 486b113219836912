// Draws every canvas with data-chart from the JSON that stands beside it, in the colours of the page's theme;
// anew when the theme changes, and in place when live.js brought new numbers.
"use strict";
(() => {
  const root = document.documentElement;
  const drawn = new Map();
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  const spec = (canvas) => JSON.parse(document.getElementById(canvas.dataset.chart).textContent);

  const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

  const datasets = (told) =>
    told.series.map((series) => {
      const tone = colour(`--chart-${series.tone}`);
      const line = series.kind === "line";
      return {
        type: series.kind,
        label: series.label,
        data: series.values,
        texts: series.texts,
        backgroundColor: tone,
        borderColor: tone,
        borderWidth: line ? 2 : 0,
        borderRadius: line ? undefined : 2,
        // A lone point has no line to be seen by.
        pointRadius: line && series.values.filter((value) => value !== null).length > 2 ? 0 : 3,
        pointHitRadius: 12,
        tension: 0.25,
        cubicInterpolationMode: "monotone",
        spanGaps: true,
        order: line ? 0 : 1,
        maxBarThickness: 36,
        categoryPercentage: 0.85,
        barPercentage: 0.9,
      };
    });

  const options = (told) => {
    const dim = { color: colour("--dim"), font: { size: 12, family: getComputedStyle(document.body).fontFamily } };
    return {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: {
          display: told.series.length > 1,
          position: "top",
          align: "end",
          labels: { ...dim, boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 3 },
        },
        tooltip: {
          backgroundColor: colour("--text"),
          titleColor: colour("--page"),
          bodyColor: colour("--page"),
          padding: 10,
          boxPadding: 4,
          callbacks: { label: (item) => `${item.dataset.label}: ${item.dataset.texts[item.dataIndex]}` },
        },
      },
      scales: {
        x: {
          stacked: told.stacked,
          grid: { display: false },
          border: { color: colour("--line") },
          ticks: { ...dim, maxRotation: 0, autoSkipPadding: 18 },
        },
        y: {
          type: told.logarithmic ? "logarithmic" : "linear",
          stacked: told.stacked,
          beginAtZero: !told.logarithmic,
          grid: { color: colour("--line") },
          border: { display: false },
          ticks: { ...dim, maxTicksLimit: 6, precision: told.whole ? 0 : undefined, callback: (value) => short.format(value) },
          title: { display: !!told.unit, text: told.unit, ...dim },
        },
      },
    };
  };

  const draw = (canvas) => {
    drawn.get(canvas)?.destroy();
    canvas.parentElement.hidden = false;
    const told = spec(canvas);
    const kind = told.series[0]?.kind ?? "bar";
    drawn.set(
      canvas,
      new Chart(canvas, { type: kind, data: { labels: told.labels, datasets: datasets(told) }, options: options(told) }),
    );
  };

  const all = () => document.querySelectorAll("canvas[data-chart]");
  const redraw = () => all().forEach(draw);

  const update = () => {
    for (const canvas of all()) {
      const chart = drawn.get(canvas);
      const told = spec(canvas);
      if (!chart || chart.data.datasets.length !== told.series.length) {
        draw(canvas);
        continue;
      }
      chart.data.labels = told.labels;
      datasets(told).forEach((fresh, index) => Object.assign(chart.data.datasets[index], fresh));
      chart.update("none");
    }
    for (const [canvas, chart] of drawn) {
      if (!canvas.isConnected) {
        chart.destroy();
        drawn.delete(canvas);
      }
    }
  };

  redraw();
  addEventListener("toolhone:live", update);
  addEventListener("toolhone:theme", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => drawn.forEach((chart) => chart.resize()));
})();
