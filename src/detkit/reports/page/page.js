"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("main");
  const contents = document.createElement("ul");

  // --- building blocks: every text enters the page as a text node, never as markup

  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  };
  const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const shown = (value, digits = 4) => (value === null || value === undefined ? "-" : value.toFixed(digits));
  const plural = (n, name) => `${n} ${n === 1 ? name : name.endsWith("s") ? `${name}es` : `${name}s`}`;
  // A name inside other text keeps its direction, and any override in it, to itself.
  const isolated = (name) => (/[^ -~]/.test(name) ? `\u2068${name}\u2069` : name);
  const section = (id, title, ...children) => {
    contents.append(el("li", {}, el("a", { href: `#${id}` }, title)));
    const node = el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
    main.append(node);
    return node;
  };
  const note = (text) => el("p", { class: "note" }, text);

  // --- tables that sort by any column and filter by text

  const sortKey = (cell) => {
    const number = Number.parseFloat(cell);
    return Number.isNaN(number) || !/^[-+]?[\d.]/.test(cell) ? null : number;
  };
  const compareCells = (a, b) => {
    const [x, y] = [sortKey(a), sortKey(b)];
    if (x !== null && y !== null) return x - y;
    if (x !== null || y !== null) return x === null ? 1 : -1;
    return a.localeCompare(b);
  };
  const tableOf = ({ title, header, rows, left, notes }, onRow) => {
    const body = el("tbody");
    const heads = [];
    const draw = (ordered) => {
      body.replaceChildren(
        ...ordered.map((row) =>
          el("tr", {}, row.map((cell, i) => {
            const attributes = { class: i < left ? "text" : null, dir: i < left ? "auto" : null };
            if (i > 0) return el("td", attributes, cell);
            const content = onRow ? el("button", { type: "button", on: { click: () => onRow(cell) } }, cell) : cell;
            return el("th", { ...attributes, scope: "row" }, content);
          })),
        ),
      );
    };
    let sorted = { column: -1, down: false };
    let wanted = "";
    const refresh = () => {
      let chosen = rows.filter((row) => row.slice(0, left).some((cell) => cell.toLowerCase().includes(wanted)));
      if (sorted.column >= 0) {
        chosen = [...chosen].sort((a, b) => {
          const [x, y] = [a[sorted.column], b[sorted.column]];
          if (x === "-" || y === "-") return x === y ? 0 : x === "-" ? 1 : -1;
          return (sorted.down ? -1 : 1) * compareCells(x, y);
        });
      }
      heads.forEach((head, i) =>
        head.setAttribute("aria-sort", i !== sorted.column ? "none" : sorted.down ? "descending" : "ascending"),
      );
      draw(chosen);
    };
    header.forEach((name, i) => {
      const click = () => {
        sorted = { column: i, down: sorted.column === i ? !sorted.down : i >= left };
        refresh();
      };
      heads.push(el("th", { scope: "col", class: i < left ? "text" : null, "aria-sort": "none" },
        el("button", { type: "button", on: { click } }, name)));
    });
    const table = el("table", {}, el("caption", {}, el("span", {}, title)), el("thead", {}, el("tr", {}, heads)), body);
    const parts = [];
    if (rows.length > 12 && left > 0) {
      const input = el("input", { type: "search", on: { input: () => { wanted = input.value.toLowerCase(); refresh(); } } });
      parts.push(el("p", {}, el("label", {}, `Filter by ${header[0]} `, input)));
    }
    refresh();
    if (rows.length) parts.push(el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `table: ${title}` }, table));
    else parts.push(el("p", {}, title));
    return el("div", {}, ...parts, ...(notes || []).map(note));
  };
  const tables = (shown) => el("div", { class: "tables" }, shown.map((table) => tableOf(table)));

  // --- plots

  const WIDTH = 420, HEIGHT = 280, EDGE = { left: 46, right: 12, top: 12, bottom: 38 };
  const scale = (low, high, from, to) => (v) => from + ((v - low) / (high - low || 1)) * (to - from);
  const axes = (label, x, y) => {
    const sx = scale(x.low, x.high, EDGE.left, WIDTH - EDGE.right);
    const sy = scale(y.low, y.high, HEIGHT - EDGE.bottom, EDGE.top);
    const node = svg("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
    for (const v of steps(x)) {
      node.append(svg("line", { class: "grid", x1: sx(v), x2: sx(v), y1: sy(y.low), y2: sy(y.high) }),
        svg("text", { x: sx(v), y: HEIGHT - EDGE.bottom + 15, "text-anchor": "middle" }, tick(v)));
    }
    for (const [v, text] of y.ticks || steps(y).map((v) => [v, tick(v)])) {
      node.append(svg("line", { class: "grid", x1: sx(x.low), x2: sx(x.high), y1: sy(v), y2: sy(v) }),
        svg("text", { x: EDGE.left - 6, y: sy(v) + 4, "text-anchor": "end" }, text));
    }
    node.append(
      svg("text", { x: (EDGE.left + WIDTH - EDGE.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, x.name),
      svg("text", { x: 12, y: (HEIGHT - EDGE.bottom) / 2, "text-anchor": "middle",
        transform: `rotate(-90 12 ${(HEIGHT - EDGE.bottom) / 2})` }, y.name),
    );
    return { node, sx, sy };
  };
  const steps = ({ low, high }) => Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5);
  const tick = (v) => (Math.abs(v) >= 1000 ? v.toExponential(0) : String(Number(v.toPrecision(2))));
  const polyline = (points, sx, sy, kind) =>
    svg("polyline", { class: `line ${kind}`, points: points.map(([a, b]) => `${sx(a).toFixed(1)},${sy(b).toFixed(1)}`).join(" ") });
  const legend = (names, kind = "") => names.flatMap((name, i) => [" ", el("span", { class: `t${i} ${kind}` }, name)]);

  // --- curves of one class with a threshold that moves the counts

  const drawCurves = (curves) => {
    const fName = `F${curves.beta}`;
    const picked = el("select", { id: "class" }, curves.classes.map((c, i) => el("option", { value: i }, c.name)));
    const slider = el("input", { type: "range", id: "threshold", min: 0, step: 1 });
    const counts = el("dl", { class: "counts", "aria-live": "polite" });
    const plots = el("div", { class: "plots" });
    const f = (p, r) => {
      const b = curves.beta * curves.beta;
      return p === null || r === null || p + r === 0 ? 0 : ((1 + b) * p * r) / (b * p + r);
    };
    const at = (c, i) => {
      const [tp, fp] = [c.tp[i], c.fp[i]];
      const precision = tp + fp ? tp / (tp + fp) : null;
      const recall = c.truths ? tp / c.truths : null;
      return { score: c.score[i], tp, fp, fn: c.truths - tp, precision, recall, f: f(precision, recall) };
    };
    let marks = [];
    const mark = () => {
      const c = curves.classes[picked.value];
      marks.forEach((m) => m.remove());
      marks = [];
      if (!c.score.length) return counts.replaceChildren(el("div", {}, el("dt", {}, "no detections")));
      const p = at(c, Number(slider.value));
      slider.setAttribute("aria-valuetext", `score ${shown(p.score)}`);
      const facts = [["score >=", shown(p.score)], ["precision", shown(p.precision)], ["recall", shown(p.recall)],
        [fName, shown(p.f)], ["TP", p.tp], ["FP", p.fp], ["FN", p.fn]];
      counts.replaceChildren(...facts.map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, String(v)))));
      const [pr, conf] = plots.drawn;
      if (p.precision !== null && p.recall !== null)
        marks.push(svg("circle", { class: "dot", r: 5, cx: pr.sx(p.recall), cy: pr.sy(p.precision) }));
      marks.forEach((m) => pr.node.append(m));
      const line = svg("line", { class: "mark", x1: conf.sx(p.score), x2: conf.sx(p.score), y1: conf.sy(0), y2: conf.sy(1) });
      conf.node.append(line);
      marks.push(line);
    };
    const draw = () => {
      const c = curves.classes[picked.value];
      const points = c.score.map((_, i) => at(c, i));
      const pr = axes(`precision against recall, ${c.name}`, { name: "recall", low: 0, high: 1 }, { name: "precision", low: 0, high: 1 });
      pr.node.append(polyline(points.filter((p) => p.precision !== null && p.recall !== null)
        .map((p) => [p.recall, p.precision]), pr.sx, pr.sy, "s0"));
      const conf = axes(`precision, recall and ${fName} against score, ${c.name}`, { name: "score threshold", low: 0, high: 1 },
        { name: `precision, recall, ${fName}`, low: 0, high: 1 });
      ["precision", "recall", "f"].forEach((key, i) =>
        conf.node.append(polyline(points.filter((p) => p[key] !== null).map((p) => [Math.min(1, p.score), p[key]]), conf.sx, conf.sy, `s${i}`)));
      const figures = [el("figure", {}, pr.node, el("figcaption", {}, "Precision against recall, counted, not interpolated")),
        el("figure", {}, conf.node, el("figcaption", {}, "Against the score threshold:", legend(["precision", "recall", fName])))];
      if (c.histogram) figures.push(drawHistogram(c));
      plots.replaceChildren(...figures);
      plots.drawn = [pr, conf];
      slider.max = Math.max(0, c.score.length - 1);
      const start = c.score.findIndex((s) => s <= curves.score_threshold);
      slider.value = start < 0 ? 0 : c.score[start] < curves.score_threshold && start > 0 ? start - 1 : start;
      mark();
    };
    picked.addEventListener("change", draw);
    slider.addEventListener("input", mark);
    draw();
    return {
      node: [el("div", { class: "choices" }, el("label", {}, "Class ", picked), el("label", { class: "range" }, "Threshold ", slider)), counts, plots,
        note(`Matches at IoU >= ${curves.iou_threshold}. The slider moves through scores that occur; left is the highest.`)],
      pick: (name) => {
        const i = curves.classes.findIndex((c) => c.name === name);
        if (i < 0) return;
        picked.value = String(i);
        draw();
        document.getElementById("curves").scrollIntoView();
        picked.focus();
      },
    };
  };
  const drawHistogram = (c) => {
    const { tp, fp, edges } = c.histogram;
    const most = Math.max(1, ...tp.map((v, i) => v + fp[i]));
    const high = (n) => Math.log10(1 + n);
    const counts = [0, ...Array.from({ length: Math.floor(Math.log10(most)) + 1 }, (_, i) => 10 ** i)];
    const { node, sx, sy } = axes(`scores of true and false positives, ${c.name}`, { name: "score", low: edges[0], high: edges[edges.length - 1] },
      { name: "detections, logarithmic", low: 0, high: 1.05 * high(most), ticks: counts.map((n) => [high(n), String(n)]) });
    tp.forEach((v, i) => {
      const [x, w] = [sx(edges[i]), Math.max(1, sx(edges[i + 1]) - sx(edges[i]) - 1)];
      [[high(v + fp[i]), "bar1"], [high(v), "bar0"]].forEach(([h, kind]) =>
        node.append(svg("rect", { class: kind, x, width: w, y: sy(h), height: sy(0) - sy(h) })));
    });
    return el("figure", {}, node, el("figcaption", {}, "Scores of detections:", legend(["true positives", "false positives on top"], "solid")));
  };

  const drawReliability = (bins) => {
    const { node, sx, sy } = axes("reliability diagram", { name: "mean confidence", low: 0, high: 1 }, { name: "share of hits", low: 0, high: 1 });
    node.append(polyline([[0, 0], [1, 1]], sx, sy, "s3"));
    node.append(polyline(bins.map((b) => [b.confidence, b.accuracy]), sx, sy, "s0"));
    bins.forEach((b) => node.append(svg("circle", { class: "dot", r: 3, cx: sx(b.confidence), cy: sy(b.accuracy) },
      svg("title", {}, `${b.count} detections`))));
    return el("div", { class: "plots" }, el("figure", {}, node, el("figcaption", {}, "On the diagonal a confidence of 0.8 is right 8 times in 10")));
  };

  // --- confusion matrix whose cells open their examples

  const openExamples = (title, examples) => {
    const dialog = document.getElementById("examples");
    document.getElementById("examples-title").textContent = title;
    document.getElementById("examples-body").replaceChildren(
      el("div", { class: "gallery" }, examples.map((example) => drawPicture(example))));
    dialog.showModal();
  };
  document.getElementById("examples-close").addEventListener("click", () => document.getElementById("examples").close());

  const drawConfusion = (matrix) => {
    const MOST = 40;
    const errors = matrix.classes.map(() => 0);
    matrix.cells.forEach(({ row, column, count }) => { if (row !== column) { errors[row] += count; errors[column] += count; } });
    const last = matrix.classes.length - 1;
    const order = matrix.classes.map((_, i) => i).filter((i) => i !== last);
    const kept = order.length <= MOST ? order : [...order].sort((a, b) => errors[b] - errors[a]).slice(0, MOST).sort((a, b) => a - b);
    kept.push(last);
    const by = el("select", { id: "normalise" }, ["counts", "share of the row (truth)", "share of the column (prediction)"]
      .map((text, i) => el("option", { value: i }, text)));
    const totals = [0, 1].map((axis) => matrix.classes.map((_, i) => matrix.cells
      .filter((c) => (axis ? c.column : c.row) === i).reduce((sum, c) => sum + c.count, 0)));
    const place = new Map(matrix.cells.map((c, number) => [`${c.row} ${c.column}`, { ...c, number }]));
    const holder = el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "table: confusion matrix" });
    const draw = () => {
      const way = Number(by.value);
      const most = Math.max(1, ...matrix.cells.map((c) => c.count));
      const rows = kept.map((r) => el("tr", {}, el("th", { scope: "row", dir: "auto", title: matrix.classes[r] }, matrix.classes[r]),
        kept.map((c) => {
          const cell = place.get(`${r} ${c}`);
          if (!cell) return el("td", {});
          const total = way ? totals[way - 1][way === 1 ? r : c] : most;
          const share = cell.count / (total || 1);
          const text = way ? share.toFixed(2) : String(cell.count);
          const label = `truth ${isolated(matrix.classes[r])}, predicted ${isolated(matrix.classes[c])}: ${text}`;
          const examples = data.crops[`confusion ${cell.number}`] || [];
          const inner = examples.length
            ? el("button", { type: "button", "aria-label": `${label}, show examples`, title: label,
              on: { click: () => openExamples(label, examples) } }, text)
            : el("span", { title: label }, text);
          const td = el("td", {}, inner);
          td.style.backgroundColor = `rgba(var(--heat), ${(0.05 + 0.4 * (way ? share : Math.log1p(cell.count) / Math.log1p(most))).toFixed(3)})`;
          return td;
        })));
      const head = el("tr", {}, el("th", { scope: "col", class: "text" }, "truth \u2193 predicted \u2192"),
        kept.map((c) => el("th", { scope: "col", class: "down", dir: "auto", title: matrix.classes[c] },
          el("span", {}, matrix.classes[c]))));
      holder.replaceChildren(el("table", { class: "matrix" }, el("thead", {}, head), el("tbody", {}, rows)));
    };
    by.addEventListener("change", draw);
    draw();
    const parts = [el("p", { class: "choices" }, el("label", {}, "Show ", by)), holder];
    if (order.length > MOST) parts.push(note(`The ${MOST} classes with the most confusions of ${order.length}; all of them are in the JSON result.`));
    return parts;
  };

  // --- images with truth and predictions

  const KINDS = [["tp", "hit"], ["fp", "false positive"], ["fn", "missed truth"], ["gt", "found truth"]];
  const described = (b) => [KINDS.find(([kind]) => kind === b.kind)[1], isolated(b.label),
    b.score === null ? null : `score ${shown(b.score, 3)}`, b.iou ? `IoU ${shown(b.iou, 2)}` : null]
    .filter((part) => part !== null).join(", ");
  const drawPicture = (picture) => {
    const { width, height } = picture;
    const lines = picture.boxes.map((b) => {
      const corners = b.corners || [[b.x, b.y], [b.x + b.w, b.y], [b.x + b.w, b.y + b.h], [b.x, b.y + b.h]];
      const points = corners.map((corner) => corner.map((v) => v.toFixed(1)).join(",")).join(" ");
      return svg("g", { class: `box ${b.kind}` }, svg("title", {}, described(b)),
        svg("polygon", { class: "under", points }), svg("polygon", { points }));
    });
    const counts = KINDS.map(([kind, name]) => [picture.boxes.filter((b) => b.kind === kind).length, name])
      .filter(([n]) => n).map(([n, name]) => plural(n, name)).join(", ");
    const image = picture.src ? svg("image", { href: picture.src, x: 0, y: 0, width, height, preserveAspectRatio: "none" }) : null;
    return el("figure", {}, el("div", { class: "picture" },
      svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${isolated(picture.name)}: ${counts}` }, image, ...lines)),
    el("figcaption", {}, `${isolated(picture.name)}: ${counts}`),
    el("details", {}, el("summary", {}, "Boxes"), el("ul", {}, picture.boxes.map((b) =>
      el("li", {}, el("span", { class: `key ${b.kind}` }), described(b))))));
  };
  const drawGallery = (gallery) => {
    const holder = el("div", { class: "gallery" }, gallery.pictures.map(drawPicture));
    const boxes = KINDS.map(([kind, name]) => {
      const box = el("input", { type: "checkbox", checked: "", on: { change: () => holder.classList.toggle(`hide-${kind}`, !box.checked) } });
      return el("label", {}, box, " ", el("span", { class: `key ${kind}` }), name);
    });
    return [note(gallery.note), el("fieldset", { class: "choices" }, el("legend", {}, "Boxes"), ...boxes), holder];
  };

  const drawMisses = (reasons) => reasons.filter(({ reason }) => data.crops[`misses ${reason}`]).map(({ reason, count }) => {
    const crops = data.crops[`misses ${reason}`];
    return el("details", {}, el("summary", {}, `${reason}: ${crops.length} of ${count} shown, the largest first`),
      el("div", { class: "gallery small" }, crops.map(drawPicture)));
  });

  // --- the page

  const cards = el("dl", { class: "cards" }, data.headline.map((card, i) =>
    el("div", { class: i ? "card" : "card lead" }, el("dt", {}, card.name), el("dd", {}, card.value),
      card.note ? el("dd", { class: "note" }, card.note) : null)));
  const summary = section("summary", "Summary");
  if (data.verdict) {
    summary.append(el("p", { class: data.verdict.failed ? "verdict fail" : "verdict" }, data.verdict.text));
    summary.append(tableOf(data.verdict.table));
  }
  summary.append(cards, tables(data.metrics));
  const found = new Map(data.sections.map((part) => [part.name, part]));
  const curves = found.has("curves") && found.get("curves").chart ? drawCurves(found.get("curves").chart) : null;
  section("classes", "Classes", tableOf(data.classes, curves ? curves.pick : null));
  for (const part of data.sections) {
    const [charts, after] = [[], []];
    if (part.name === "curves" && curves) charts.push(...curves.node);
    else if (part.chart && part.name === "confusion") charts.push(...drawConfusion(part.chart));
    else if (part.chart && part.name === "calibration") charts.push(drawReliability(part.chart));
    else if (part.chart && part.name === "misses") after.push(...drawMisses(part.chart));
    section(part.name, part.title, ...charts, tables(part.tables), ...after);
  }
  if (data.gallery.pictures.length) section("gallery", "Worst images", ...drawGallery(data.gallery));
  if (data.comparison) section("comparison", "Comparison", tables(data.comparison));
  section("findings", "Findings", tableOf(data.findings));
  section("settings", "Settings and inputs", tables(data.settings));
  document.getElementById("contents").append(contents);

  // --- theme: the system's unless chosen

  const theme = document.getElementById("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const paint = (name) => {
    document.documentElement.dataset.theme = name;
    theme.textContent = name === "dark" ? "Light theme" : "Dark theme";
  };
  paint(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => paint(dark.matches ? "dark" : "light"));
  theme.addEventListener("click", () => paint(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
})();
