/* The explorer: interpolates the tables that its chapter wrote (hierlib.chapters.explorer) and draws them.
   No formula of the theory is here: a curve is the polynomial through tabulated nodes, or a straight line between them.
   Its page decides how much of it is there: a parameter with one stop in the tables has no slider, and attributes of the
   view name the panels, the facts, and gamma and n/D to start from (book/_ext/live_figure.py writes them). */
(() => {
  "use strict";
  const root = document.getElementById("explorer-view");
  const source = document.getElementById("explorer-tables");
  if (!root || !source) return;
  const T = JSON.parse(source.textContent);
  const chosen = (kind, name) => (root.dataset[kind] ?? name).split(" ").includes(name);
  const fewest = T.fewest_features ?? 1;  // the tables by number of features start with it

  // ---- tables ----------------------------------------------------------------------------------------------------
  const decode = ({shape, step, data}) => {
    const bytes = Uint8Array.from(atob(data), character => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const values = Float64Array.from({length: bytes.length / 2}, (_, k) => step * view.getInt16(2 * k, true));
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
    return {values, shape, strides};
  };
  for (const name of ["threshold", "alignment", "eigenvalue", "edge", "order", "tail", "density", "readout"]) {
    if (T[name]) T[name] = decode(T[name]);
  }

  /* Weights of the tabulated values at x: Lagrange's polynomial through the nodes. */
  const lagrange = (nodes, x) => nodes.map((node, j) => nodes.reduce(
    (product, other, k) => k === j ? product : product * (x - other) / (node - other), 1));

  /* Weights of the two neighbours of x, constant beyond the ends. */
  const linear = (knots, x) => {
    const weights = knots.map(() => 0);
    const right = knots.findIndex(knot => knot >= x);
    if (right <= 0) weights[right === 0 ? 0 : knots.length - 1] = 1;
    else {
      weights[right] = (x - knots[right - 1]) / (knots[right] - knots[right - 1]);
      weights[right - 1] = 1 - weights[right];
    }
    return weights;
  };

  /* Sum of table[index..., a, b, ...] weights0[a] weights1[b] ... over the axes after the fixed index; the axes that
     are left over come back as a flat array. */
  const contract = (table, index, ...weights) => {
    let start = index.reduce((sum, at, axis) => sum + at * table.strides[axis], 0);
    let axis = index.length;
    let block = table.values.subarray(start, start + (axis ? table.strides[axis - 1] : table.values.length));
    for (const axisWeights of weights) {
      const size = table.strides[axis++];
      const sum = new Float64Array(size);
      axisWeights.forEach((weight, k) => {
        if (weight) for (let j = 0; j < size; j++) sum[j] += weight * block[k * size + j];
      });
      block = sum;
    }
    return block;
  };
  const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);

  // ---- what a position of the sliders means ---------------------------------------------------------------------
  /* Features of all targets with fewer than d1, among the rows of a table. */
  const before = d1 => (d1 * (d1 - 1) - fewest * (fewest - 1)) / 2;

  /* Everything that does not depend on n, for the current target. */
  const describe = ({d, q, eps, gamma, link}) => {
    const d1 = T.n_features[d][eps], dim = T.dim[q][d], law = T.links[link].law;
    const value = T.gamma[gamma], first = before(d1), tails = first + d1 - fewest;
    const middle = lagrange(T.gamma_nodes, value), fine = lagrange(T.fine_gamma_nodes, value);
    const features = Array.from({length: d1}, (_, i) => ({
      delta: Math.exp(contract(T.threshold, [law, first + i], middle)[0]),
      order: dim * Math.exp(contract(T.order, [first + i], fine)[0]),
      alignment: contract(T.alignment, [law, first + i], middle),
    }));
    const tail = Array.from({length: d1 + 1}, (_, m) => Math.max(0, contract(T.tail, [tails + m], fine)[0]));
    return {
      d: T.d[d], q: T.q[q], d1, dim, gamma: value, link: T.links[link].name, features, tail,
      noise: dim - d1,
      readout: contract(T.readout, [link], linear(T.feature_knots.map(Math.log), Math.log(d1)),
        linear(T.gamma_knots, value)),
      exponent: T.exponent[gamma], guide: T.guide[d1 - fewest][gamma],
    };
  };

  /* The same for the spectrum. */
  const describeSpectrum = ({gamma, link}, {d1}) => {
    const law = T.links[link].law, first = before(d1);
    const middle = lagrange(T.gamma_nodes, T.gamma[gamma]), coarse = lagrange(T.coarse_gamma_nodes, T.gamma[gamma]);
    return {
      eigenvalues: Array.from({length: d1}, (_, i) => contract(T.eigenvalue, [law, first + i], middle)),
      edge: contract(T.edge, [law, d1 - fewest], middle),
      density: contract(T.density, [law], lagrange(T.feature_knots.map(Math.log), Math.log(d1)), coarse),
    };
  };

  const atRatio = (values, ratio) => dot(lagrange(T.ratio_nodes, ratio), values);
  const alignments = (target, n) => target.features.map(feature => {
    const ratio = feature.delta * target.noise / n;
    return ratio < 1 ? Math.min(1, Math.max(0, (1 - ratio) * atRatio(feature.alignment, ratio))) : 0;
  });
  const testError = (target, aligned) => {
    const recovered = aligned.reduce((sum, c, i) => sum + (target.tail[i] - target.tail[i + 1]) * c * c, 0);
    return dot(linear(T.recovered_knots, recovered), target.readout);
  };
  const powerLaw = (target, n) => {
    if (target.guide === null || target.guide === undefined) return null;
    const line = Math.exp(target.guide + target.exponent * Math.log(n / target.dim));
    return target.gamma > 0.5 ? line : 1 - line;
  };
  const spectrum = (target, n) => {
    const scale = Math.sqrt(target.noise / n), places = T.position_nodes.length;
    const weights = lagrange(T.scale_nodes, scale);
    const mix = (values, size) => Float64Array.from({length: size}, (_, j) =>
      weights.reduce((sum, weight, k) => sum + weight * values[k * size + j], 0));
    const [low, high] = mix(target.edge, 2).map(end => end * scale);
    const shape = mix(target.density, 2 * places);
    const density = z => {
      const upper = z > 0 ? 1 : 0;
      const position = lagrange(T.position_nodes, Math.sqrt(z / (upper ? high : low)));
      const logarithm = dot(position, shape.subarray(upper * places, (upper + 1) * places));
      return Math.exp(logarithm) * Math.sqrt(Math.max(0, (z - low) * (high - z))) / (high - low) ** 2;
    };
    const spikes = target.features.map(({delta}, i) => {
      const ratio = delta * target.noise / n;
      return ratio < 1 ? atRatio(target.eigenvalues[i], ratio) : null;
    });
    return {low, high, density, spikes};
  };

  // ---- controls -------------------------------------------------------------------------------------------------
  const nearest = (stops, value) => stops.reduce((best, stop, k) =>
    Math.abs(stop - value) < Math.abs(stops[best] - value) ? k : best, 0);
  const state = {
    d: nearest(T.d, 120), q: nearest(T.q, 2), eps: nearest(T.eps, 0.5), gamma: nearest(T.gamma, root.dataset.gamma ?? 0.4),
    link: 0, n: 0,
  };

  const superscript = power => String(power).replace(/[-0-9]/g, digit => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]);
  const number = value => {
    if (value < 1e6) return Number(value.toPrecision(3)).toLocaleString("en").replace(/,/g, " ");
    const power = Math.floor(Math.log10(value) + 1e-9);
    return `${(value / 10 ** power).toFixed(2)} × 10${superscript(power)}`;
  };
  const spoken = value => value < 1e6 ? number(value) : Number(value.toPrecision(3)).toLocaleString("en");
  const fixed = (value, digits) => value.toFixed(digits).replace("-", "−");
  const minus = text => text.replace(/-/g, "−");

  const element = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const controls = element("form", {class: "explorer-controls", "aria-label": "Parameters of the target and sample size"});
  controls.addEventListener("submit", event => event.preventDefault());
  const sliders = {};
  const slider = (key, symbol, words, last, show, say) => {
    if (last === 0) return;
    const id = `explorer-${key}`;
    const input = element("input", {type: "range", id, min: 0, max: last, step: 1, value: state[key]});
    const output = element("output", {for: id, id: `${id}-value`});
    const label = element("label", {for: id}, element("i", {}, symbol), ` ${words}`);
    controls.append(element("div", {class: "explorer-control"}, label, output, input));
    sliders[key] = {input, output, show, say};
    input.addEventListener("input", () => {
      state[key] = Number(input.value);
      if (key === "n") wanted = sizeAt(target, state.n);
      schedule();
    });
  };
  const STEPS = 400;  // of the slider of n, over the range of n/D
  const sizeAt = (target, step) =>
    target.noise * Math.exp(Math.log(T.delta_range[0]) + step / STEPS * Math.log(T.delta_range[1] / T.delta_range[0]));
  const stepAt = (target, n) => Math.min(STEPS, Math.max(0, Math.round(
    STEPS * Math.log(n / target.noise / T.delta_range[0]) / Math.log(T.delta_range[1] / T.delta_range[0]))));

  slider("d", "d", "input dimension", T.d.length - 1, () => `${T.d[state.d]}`, () => `${T.d[state.d]} inputs`);
  slider("q", "q", "degree of the features", T.q.length - 1, () => `${T.q[state.q]}`, () => `degree ${T.q[state.q]}`);
  slider("eps", "ε", "exponent of their number", T.eps.length - 1, () => fixed(T.eps[state.eps], 2),
    target => `${T.eps[state.eps]}, ${target.d1} features`);
  slider("gamma", "γ", "decay of the weights", T.gamma.length - 1, () => fixed(T.gamma[state.gamma], 2),
    () => `${T.gamma[state.gamma]}`);
  slider("n", "n", "samples (logarithmic)", STEPS, target => number(target.n),
    target => `${spoken(target.n)} samples, ${spoken(target.n / target.dim)} per dimension`);
  const choice = element("select", {id: "explorer-link"}, ...T.links.map(({name}, k) => element("option", {value: k},
    {identity: "identity: t", tanh: "tanh t", quadratic: "quadratic: t² + t − 1"}[name] ?? name)));
  choice.addEventListener("change", () => { state.link = Number(choice.value); schedule(); });
  if (T.links.length > 1) controls.append(element("div", {class: "explorer-control"},
    element("label", {for: "explorer-link"}, element("i", {}, "g"), " link (readout)"), choice));

  const facts = element("dl", {class: "explorer-facts"});
  const shown = {};
  for (const [key, title] of [["dim", "dimension D"], ["features", "features d₁"], ["ratio", "n/D"],
    ["recovered", "outside the bulk"], ["alignment", "mean alignment"], ["error", "test error"], ["exponent", "exponent in n"]]) {
    if (!chosen("facts", key)) continue;
    shown[key] = element("dd", {id: `explorer-${key}`});
    facts.append(element("div", {}, element("dt", {}, title), shown[key]));
  }

  // ---- drawing --------------------------------------------------------------------------------------------------
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 380, HEIGHT = 262, LEFT = 56, RIGHT = 12, TOP = 10, BOTTOM = 44;
  const draw = (name, attributes, parent, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent?.append(node);
    return node;
  };
  const panels = element("div", {class: "explorer-panels"});
  const panel = (key, title, xLabel, yLabel, legend) => {
    if (!chosen("panels", key)) return null;
    const svg = draw("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-labelledby": `explorer-${key}-title`,
      "aria-describedby": `explorer-${key}-text`});
    const axes = draw("g", {class: "axes"}, svg), curves = draw("g", {class: "curves"}, svg);
    draw("text", {class: "name", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle"}, svg, xLabel);
    draw("text", {class: "name", transform: `translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)`,
      "text-anchor": "middle"}, svg, yLabel);
    const text = element("p", {id: `explorer-${key}-text`, class: "explorer-hidden"});
    const keys = element("p", {class: "explorer-key", "aria-hidden": "true"},
      ...legend.map(([kind, words]) => element("span", {}, element("span", {class: `key ${kind}`}), words)));
    panels.append(element("section", {class: "explorer-panel"},
      element("p", {id: `explorer-${key}-title`, class: "explorer-title"}, title), svg, keys, text));
    return {axes, curves, text};
  };
  const P = {
    thresholds: panel("thresholds", "Thresholds", "feature i", "samples nᵢ",
      [["dot", "sharp"], ["hollow", "not reached"], ["line dashed", "paper’s order"], ["line now", "n"]]),
    staircase: panel("staircase", "Alignment, one step a feature", "samples n", "cos² θᵢ",
      [["line feature", "each feature"], ["line", "mean"], ["line dashed", "share of thresholds passed"]]),
    curve: panel("curve", "Test error", "samples n", "MSE / Var y",
      [["line", "theory"], ["line stairs", "tail of the weights"], ["line dashed", "power law"]]),
    spectrum: panel("spectrum", "Spectrum of the moment matrix", "eigenvalue", "density of the bulk",
      [["area", "bulk of noise"], ["line feature", "spikes"]]),
  };
  root.replaceChildren(element("div", {class: "explorer-top"}, controls, facts), panels);

  // viridis, dark to light, without its lightest tenth: the colours of the features everywhere in the book
  const VIRIDIS = T.colors;
  const color = (i, count) => VIRIDIS[count === 1 ? 0 : Math.round(i * (VIRIDIS.length - 1) / (count - 1))];

  const map = (low, high, from, to) => value => from + (value - low) * (to - from) / (high - low);
  const path = points => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  const decades = (low, high) => {
    const first = Math.ceil(low - 1e-9), last = Math.floor(high + 1e-9), stride = Math.ceil((last - first + 1) / 7);
    return Array.from({length: Math.max(0, last - first + 1)}, (_, k) => first + k).filter((_, k) => k % stride === 0)
      .map(power => [power, power >= 0 && power < 4 ? String(10 ** power) : `10${superscript(power)}`]);
  };
  const decimals = (low, high, step) => {
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    return Array.from({length: Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1},
      (_, k) => (Math.ceil(low / step - 1e-9) + k) * step).map(value => [value, minus(value.toFixed(digits))]);
  };
  const step = range => {
    const power = 10 ** Math.floor(Math.log10(range / 5));
    return power * [1, 2, 5, 10].find(factor => factor * power >= range / 5);
  };
  const frame = (axes, x, xTicks, y, yTicks) => {
    axes.replaceChildren();
    for (const [value, text] of xTicks) {
      draw("line", {x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM}, axes);
      draw("text", {x: x(value), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle"}, axes, text);
    }
    for (const [value, text] of yTicks) {
      draw("line", {x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value)}, axes);
      draw("text", {x: LEFT - 6, y: y(value) + 4, "text-anchor": "end"}, axes, text);
    }
    draw("path", {class: "spine", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}`}, axes);
  };

  const POINTS = 120;
  let target = null, wanted = null, key = "", table = null;
  const update = () => {
    const now = `${state.d},${state.q},${state.eps},${state.gamma},${state.link}`;
    if (now !== key) {
      target = describe(state);
      key = now;
      if (P.spectrum) Object.assign(target, describeSpectrum(state, target));
      // The number of samples stays what it was, as far as the range allows.
      wanted ??= Number(root.dataset.ratio ?? 8) * target.dim;
      state.n = stepAt(target, wanted);
      sliders.n.input.value = state.n;
      table = tabulate(target);
    }
    const n = target.n = Math.round(sizeAt(target, state.n));
    const aligned = alignments(target, n), error = testError(target, aligned);
    const found = aligned.filter(c => c > 0).length;
    for (const {input, output, show, say} of Object.values(sliders)) {
      output.textContent = show(target);
      input.setAttribute("aria-valuetext", say(target));
    }
    const mean = aligned.reduce((sum, c) => sum + c, 0) / target.d1;
    const facts = {
      dim: number(target.dim), features: target.d1, ratio: number(n / target.dim), recovered: `${found} of ${target.d1}`,
      alignment: fixed(mean, 3), error: fixed(error, 3), exponent: target.gamma > 0.5 ? fixed(target.exponent, 2) : "none",
    };
    for (const [key, value] of Object.entries(shown)) value.textContent = facts[key];
    if (P.thresholds) drawThresholds(n);
    if (P.staircase) drawAlignment(n, aligned, mean);
    if (P.curve) drawError(n, error);
    if (P.spectrum) drawSpectrum(n, found);
  };

  /* Curves over n, drawn again and again for one target. */
  const tabulate = target => {
    const sizes = Array.from({length: POINTS + 1}, (_, k) => sizeAt(target, k * STEPS / POINTS));
    const rows = sizes.map(n => alignments(target, n));
    return {
      sizes, rows,
      means: rows.map(row => row.reduce((sum, c) => sum + c, 0) / target.d1),
      errors: rows.map(row => testError(target, row)),
      low: Math.log10(sizes[0]), high: Math.log10(sizes[POINTS]),
    };
  };

  const drawThresholds = n => {
    const {axes, curves, text} = P.thresholds, {features, d1, noise, dim} = target;
    const values = features.flatMap(feature => [feature.delta * noise, feature.order]);
    const low = Math.floor(Math.log10(Math.min(n, ...values)) - 0.05);
    const high = Math.ceil(Math.log10(Math.max(n, ...values)) + 0.05);
    const x = map(0.5, d1 + 0.5, LEFT, WIDTH - RIGHT), y = map(low, high, HEIGHT - BOTTOM, TOP);
    const every = Math.ceil(d1 / 10);
    frame(axes, x, features.map((_, i) => [i + 1, String(i + 1)]).filter((_, i) => i % every === 0), y, decades(low, high));
    curves.replaceChildren();
    draw("path", {class: "dashed", d: path(features.map(({order}, i) => [x(i + 1), y(Math.log10(order))]))}, curves);
    draw("line", {class: "now", x1: LEFT, x2: WIDTH - RIGHT, y1: y(Math.log10(n)), y2: y(Math.log10(n))}, curves);
    features.forEach(({delta}, i) => draw("circle", {cx: x(i + 1), cy: y(Math.log10(delta * noise)), r: 5,
      style: `--feature: ${color(i, d1)}`, class: delta * noise < n ? "feature" : "feature missing"}, curves));
    curves.dataset.thresholds = features.map(({delta}) => delta * noise).join(" ");
    curves.dataset.order = features.map(({order}) => order).join(" ");
    text.textContent = `The strongest feature appears at ${spoken(features[0].delta * noise)} samples, the weakest at `
      + `${spoken(features[d1 - 1].delta * noise)}; the feature space has ${spoken(dim)} dimensions.`;
  };

  const nowLine = (x, n, curves) => {
    const at = Math.min(WIDTH - RIGHT, Math.max(LEFT, x(Math.log10(n))));
    draw("line", {class: "now", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM}, curves);
    return at;
  };

  const drawAlignment = (n, aligned, mean) => {
    const {axes, curves, text} = P.staircase, {features, d1, noise} = target;
    const {sizes, rows, means, low, high} = table;
    const x = map(low, high, LEFT, WIDTH - RIGHT), y = map(0, 1, HEIGHT - BOTTOM, TOP);
    const xs = sizes.map(size => x(Math.log10(size)));
    frame(axes, x, decades(low, high), y, decimals(0, 1, 0.2));
    curves.replaceChildren();
    features.forEach(({delta}, i) => {
      const start = Math.log10(delta * noise), points = start > low && start < high ? [[x(start), y(0)]] : [];
      xs.forEach((at, k) => { if (rows[k][i] > 0) points.push([at, y(rows[k][i])]); });
      if (points.length > 1) draw("path", {class: "line", style: `--feature: ${color(i, d1)}`, d: path(points)}, curves);
    });
    let stairs = `M${LEFT} ${y(features.filter(({delta}) => Math.log10(delta * noise) <= low).length / d1).toFixed(1)}`;
    features.forEach(({delta}, i) => {
      const at = Math.log10(delta * noise);
      if (at > low && at < high) stairs += `H${x(at).toFixed(1)}V${y((i + 1) / d1).toFixed(1)}`;
    });
    draw("path", {class: "dashed", d: `${stairs}H${WIDTH - RIGHT}`}, curves);
    draw("path", {class: "main", d: path(xs.map((at, k) => [at, y(means[k])]))}, curves);
    const at = nowLine(x, n, curves);
    draw("circle", {class: "main", cx: at, cy: y(mean), r: 5}, curves);
    curves.dataset.alignments = aligned.join(" ");
    text.textContent = `At ${spoken(n)} samples the alignments run from ${fixed(aligned[0], 2)} for the strongest feature `
      + `to ${fixed(aligned[d1 - 1], 2)} for the weakest, with mean ${fixed(mean, 2)}.`;
  };

  const drawError = (n, error) => {
    const {axes, curves, text} = P.curve, {features, noise, tail} = target;
    const {sizes, errors, low, high} = table;
    const x = map(low, high, LEFT, WIDTH - RIGHT), y = map(-3, 0.1, HEIGHT - BOTTOM, TOP);
    const height = value => y(Math.max(-3, Math.log10(value)));
    frame(axes, x, decades(low, high), y, [[-3, "0.001"], [-2, "0.01"], [-1, "0.1"], [0, "1"]]);
    curves.replaceChildren();
    let stairs = "", level = 1;
    features.forEach(({delta}, i) => {
      const at = Math.log10(delta * noise);
      if (at <= low) level = tail[i + 1];
      else if (at < high) stairs += `H${x(at).toFixed(1)}V${height(tail[i + 1]).toFixed(1)}`;
    });
    draw("path", {class: "stairs", d: `M${LEFT} ${height(level).toFixed(1)}${stairs}H${WIDTH - RIGHT}`}, curves);
    const first = Math.max(features[0].order, sizes[0]), last = features[features.length - 1].order;
    const guide = sizes.filter(size => size >= first && size <= last)
      .map(size => [x(Math.log10(size)), powerLaw(target, size)]).filter(([, value]) => value !== null && value > 1e-3 && value < 1.2);
    if (guide.length > 1) draw("path", {class: "dashed", d: path(guide.map(([at, value]) => [at, height(value)]))}, curves);
    draw("path", {class: "main", d: path(sizes.map((size, k) => [x(Math.log10(size)), height(errors[k])]))}, curves);
    const at = nowLine(x, n, curves);
    draw("circle", {class: "main", cx: at, cy: height(error), r: 5}, curves);
    curves.dataset.error = error;
    text.textContent = `The test error at ${spoken(n)} samples is ${fixed(error, 3)} of the variance of the labels. `
      + (target.gamma > 0.5 ? `The power law of the theorem has exponent ${fixed(target.exponent, 2)}.`
        : "For this decay the theorem has no power law of the error itself.");
  };

  const drawSpectrum = (n, found) => {
    const {axes, curves, text} = P.spectrum, {d1} = target;
    const {low, high, density, spikes} = spectrum(target, n);
    const ends = [low, high, ...spikes.filter(spike => spike !== null)];
    const left = Math.min(...ends), right = Math.max(...ends), margin = 0.06 * (right - left);
    const x = map(left - margin, right + margin, LEFT, WIDTH - RIGHT);
    const zs = Array.from({length: POINTS + 1}, (_, k) => {
      const u = -Math.cos(Math.PI * k / POINTS);  // dense at the edges, and at zero
      const cube = u * Math.abs(u);
      return cube < 0 ? -cube * low : cube * high;
    }).sort((a, b) => a - b);
    const heights = zs.map(density);
    const top = 1.1 * Math.max(...heights), y = map(0, top, HEIGHT - BOTTOM, TOP);
    frame(axes, x, decimals(left - margin, right + margin, step(right - left)), y, decimals(0, top, step(top)));
    curves.replaceChildren();
    const outline = zs.map((z, k) => [x(z), y(heights[k])]);
    draw("path", {class: "area", d: `${path(outline)}L${x(high)} ${y(0)}L${x(low)} ${y(0)}Z`}, curves);
    draw("path", {class: "main", d: path(outline)}, curves);
    spikes.forEach((spike, i) => {
      if (spike === null) return;
      const group = draw("g", {style: `--feature: ${color(i, d1)}`}, curves);
      draw("line", {class: "line", x1: x(spike), x2: x(spike), y1: y(0), y2: y(0.45 * top)}, group);
      draw("circle", {class: "feature", cx: x(spike), cy: y(0.45 * top), r: 4}, group);
    });
    curves.dataset.edges = `${low} ${high}`;
    curves.dataset.eigenvalues = spikes.map(spike => spike ?? "").join(" ");
    curves.dataset.heights = [-0.8, -0.3, 0.3, 0.8].map(u => density(u < 0 ? -u * low : u * high)).join(" ");
    text.textContent = `The bulk of noise eigenvalues reaches from ${fixed(low, 2)} to ${fixed(high, 2)}; `
      + `${found} of ${d1} features have an eigenvalue above it.`;
  };

  let pending = 0;
  const schedule = () => {
    pending ||= requestAnimationFrame(() => { pending = 0; update(); });
  };
  update();
  root.dataset.ready = "true";
})();
