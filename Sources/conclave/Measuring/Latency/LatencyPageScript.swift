extension LatencyPage {
  /// What draws the charts.
  static let script = #"""
    const main = document.getElementById("main");
    const tip = document.getElementById("tip");
    const colour = (part) => `var(--p${part})`;
    const escape = (text) => String(text).replace(/[&<>"]/g,
      (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

    function time(us) {
      if (us === 0) return "0";
      const digits = (value) => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
      if (us < 1000) return `${digits(us)} µs`;
      if (us < 1e6) return `${digits(us / 1e3)} ms`;
      return `${digits(us / 1e6)} s`;
    }
    function rate(bytes) {
      const units = ["B/s", "kB/s", "MB/s", "GB/s"];
      let unit = 0;
      while (bytes >= 1000 && unit < 3) { bytes /= 1000; unit += 1; }
      return `${bytes.toPrecision(3)} ${units[unit]}`;
    }
    function add(html) { main.insertAdjacentHTML("beforeend", html); }
    function card(html) { add(`<div class="card">${html}</div>`); return main.lastElementChild; }
    function sum(values) { return values.reduce((a, b) => a + b, 0); }

    // ---- Links

    function ridges(link, range) {
      const width = 1100, left = 190, right = 130, row = 46, top = 8;
      const height = top + link.series.length * row + 26;
      const x = (us) => left + (Math.log10(us) - range[0]) / (range[1] - range[0]) * (width - left - right);
      let svg = "";
      for (let decade = Math.ceil(range[0]); decade <= range[1]; decade += 1) {
        for (const step of [1, 2, 5]) {
          const us = step * 10 ** decade;
          if (Math.log10(us) > range[1]) break;
          svg += `<line class="grid" x1="${x(us)}" x2="${x(us)}" y1="${top}" y2="${height - 22}"
            opacity="${step === 1 ? 1 : 0.45}"/>`;
          if (step === 1) svg += `<text class="soft" x="${x(us)}" y="${height - 6}" text-anchor="middle">${time(us)}</text>`;
        }
      }
      link.series.forEach((series, index) => {
        const base = top + (index + 1) * row - 8;
        const fill = { "TCP": "var(--tcp)", "ZeroMQ": "var(--zeromq)" }[series.over] ?? "var(--curve)";
        const most = Math.max(...series.bars.map((bar) => bar[1]));
        const half = Math.pow(10, 0.5 / report.barsPerDecade);
        let path = "";
        let end = null;
        for (const [us, share] of series.bars) {
          const from = x(us / half), to = x(us * half), y = base - share / most * (row - 14);
          if (end === null || from - end > 0.5) path += `${end === null ? "" : `L${end},${base}Z`}M${from},${base}`;
          path += `L${from},${y}L${to},${y}`;
          end = to;
        }
        path += `L${end},${base}Z`;
        const marks = [["p50", series.p50], ["p99", series.p99], ["p99.9", series.p999], ["max", series.max]];
        svg += `<g data-tip="${escape(`${series.payload} over ${series.over}, ${series.count} probes\n`
          + marks.map(([name, us]) => `${name.padEnd(6)} ${time(us)}`).join("\n")
          + `\njitter ${time(series.jitter)}\nout    ${time(series.out)}, back ${time(series.back)} (medians)`)}">
          <rect x="0" y="${base - row + 12}" width="${width}" height="${row - 4}" fill="transparent"/>
          <path d="${path}" fill="${fill}" opacity="0.8"/>
          <line x1="${x(series.p50)}" x2="${x(series.max)}" y1="${base + 3.5}" y2="${base + 3.5}" stroke="${fill}" stroke-width="1"/>
          ${marks.map(([, us], i) => `<circle cx="${x(us)}" cy="${base + 3.5}" r="${i === 0 ? 3.5 : 2.2}" fill="${fill}"/>`).join("")}
          <text x="0" y="${base}">${escape(series.payload)}</text>
          <text class="soft" x="82" y="${base}">${escape(series.over)}</text>
          <text x="${width}" y="${base}" text-anchor="end">${time(series.p50)}<tspan class="soft" fill="var(--soft)"> · ${time(series.p99)}</tspan></text></g>`;
      });
      return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="round trips of ${escape(link.label)}">${svg}</svg>`;
    }

    function links() {
      add(`<h2>Links</h2><p class="soft">Round trips from the moment at which each probe was due until its
        echo was here, with a payload both ways and no computation. Dots: median, 99 %, 99.9 %, longest;
        on the right, median and 99 %.</p>`);
      const times = report.links.flatMap((link) => link.series.flatMap((s) => [s.bars[0][0], s.max]));
      const range = [Math.log10(Math.min(...times)) - 0.1, Math.log10(Math.max(...times)) + 0.1];
      for (const link of report.links) {
        const rates = link.bandwidth.map((b) => `${b.over} ${rate(b.out)} there, ${rate(b.back)} back`).join("; ");
        const again = link.retransmits ? `; segments sent again: ${link.retransmits[0]} there, ${link.retransmits[1]} back` : "";
        card(`<strong>${escape(link.label)}</strong> <span class="soft">clock
          ${link.clockOffset < 0 ? "−" : "+"}${time(Math.abs(link.clockOffset))} ± ${time(link.clockErrorBound)}; ${rates}${again}</span>
          ${ridges(link, range)}`);
      }
    }

    // ---- Tokens

    function key(parts) {
      return `<div class="key">${parts.map((part) => `<span><i style="background:${colour(part)}"></i>${report.parts[part]}</span>`).join("")}</div>`;
    }

    function pathBar(trace) {
      const width = 1100, height = 54;
      const total = sum(trace.path);
      let x = 0, svg = "";
      trace.path.forEach((us, part) => {
        const w = us / total * width;
        svg += `<g data-tip="${report.parts[part]}: ${time(us)}, ${(us / total * 100).toFixed(1)} %">
          <rect x="${x}" y="0" width="${Math.max(w - 1, 0)}" height="30" fill="${colour(part)}"/>
          ${w > 70 ? `<text x="${x + 2}" y="47">${report.parts[part]} ${(us / total * 100).toFixed(0)} %</text>` : ""}</g>`;
        x += w;
      });
      return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="parts of the critical path">${svg}</svg>`;
    }

    function heat(trace) {
      const left = 150, width = 1100, row = 30, top = 4;
      const step = (width - left) / trace.layers.length;
      const height = top + trace.workers.length * row + 22;
      const totals = trace.cells.map((cells) => cells.map((cell) => sum(cell.parts)));
      const most = Math.max(...totals.flat());
      const least = Math.min(...totals.flat().filter((us) => us > 0));
      let svg = "";
      trace.workers.forEach((worker, w) => {
        svg += `<text x="0" y="${top + w * row + row / 2 + 4}">${escape(worker.label)}</text>`;
        trace.layers.forEach((layer, l) => {
          const cell = trace.cells[l][w];
          const us = totals[l][w];
          if (cell.calls === 0) return;
          const strength = most > least ? 0.1 + 0.9 * (us - least) / (most - least) : 0.5;
          const parts = report.parts.map((name, i) => [name, cell.parts[i]]).filter(([, us]) => us > 0)
            .map(([name, us]) => `${name.padEnd(10)} ${time(us)}`).join("\n");
          svg += `<rect data-tip="${escape(`layer ${layer}, ${worker.label}\n${time(us)} from dispatch to reply (mean of ${cell.calls})\n${parts}\nslowest in ${(cell.slowest * 100).toFixed(0)} %, else waits ${time(cell.wait)}`)}"
            x="${left + l * step}" y="${top + w * row}" width="${Math.max(step - 1.5, 1)}" height="${row - 2}" rx="2"
            fill="rgba(var(--heat), ${strength.toFixed(3)})"/>`;
        });
      });
      const every = Math.ceil(trace.layers.length / 30);
      trace.layers.forEach((layer, l) => {
        if (l % every === 0) svg += `<text class="soft" text-anchor="middle" x="${left + (l + 0.5) * step}" y="${height - 4}">${layer}</text>`;
      });
      return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="layers and workers">${svg}</svg>
        <p class="soft">${time(least)} (pale) to ${time(most)} (strong)</p>`;
    }

    function timeline(trace, from, to) {
      const left = 150, width = 1100, row = 30, top = 18;
      const lanes = [["coordinator", trace.timeline.own], ...trace.workers.map((w, i) => [w.label, trace.timeline.workers[i]])];
      const height = top + lanes.length * row + 24;
      const x = (us) => left + (us - from) / (to - from) * (width - left);
      let svg = "";
      trace.timeline.layers.forEach(([layer, start, end], index) => {
        if (end < from || start > to) return;
        const a = Math.max(x(start), left), b = Math.min(x(end), width);
        if (index % 2 === 0) svg += `<rect x="${a}" y="${top - 4}" width="${b - a}" height="${lanes.length * row + 2}" fill="var(--line)" opacity="0.35"/>`;
        if (b - a > 14) svg += `<text class="soft" text-anchor="middle" x="${(a + b) / 2}" y="10">${b - a > 60 ? "layer " : ""}${layer}</text>`;
      });
      lanes.forEach(([label, segments], lane) => {
        const y = top + lane * row;
        svg += `<text x="0" y="${y + row / 2 + 3}">${escape(label)}</text>`;
        for (const [part, start, end] of segments) {
          if (end < from || start > to || end <= start) continue;
          const a = Math.max(x(start), left), b = Math.min(x(end), width);
          svg += `<rect data-tip="${report.parts[part]}, ${time(end - start)}" x="${a}" y="${y}" width="${Math.max(b - a, 0.4)}" height="${row - 8}" fill="${colour(part)}"/>`;
        }
      });
      const span = to - from, unit = 10 ** Math.floor(Math.log10(span));
      const tick = span / unit > 5 ? unit : span / unit > 2 ? unit / 2 : unit / 5;
      for (let us = Math.ceil(from / tick) * tick; us <= to; us += tick) {
        svg += `<text class="soft" text-anchor="middle" x="${x(us)}" y="${height - 4}">${time(us)}</text>`;
      }
      return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="what happened when">${svg}</svg>`;
    }

    function timelineCard(trace) {
      const box = card("");
      const all = [0, trace.timeline.duration];
      const views = [["whole " + (trace.kind === "decode" ? "token" : "prompt"), all]];
      const layers = trace.timeline.layers;
      const slowest = layers.reduce((a, b) => b[2] - b[1] > a[2] - a[1] ? b : a, layers[0]);
      const middle = Math.floor(layers.length / 2);
      const cut = (first, last, name) => views.push([name,
        [first > 0 ? layers[first - 1][2] : 0, layers[Math.min(last, layers.length - 1)][2]]]);
      cut(Math.max(0, middle - 2), middle + 2, "five layers");
      const s = layers.indexOf(slowest);
      cut(Math.max(0, s), s, `slowest layer (${slowest[0]})`);
      const draw = (which) => {
        box.innerHTML = `<div>${views.map(([name], i) => `<button aria-pressed="${i === which}">${name}</button>`).join("")}
          <span class="soft">the step of median duration, ${time(trace.timeline.duration)}</span></div><div style="height:10px"></div>`
          + timeline(trace, ...views[which][1]) + key([0, 1, 2, 3, 4, 5, 6, 7]);
        box.querySelectorAll("button").forEach((button, i) => button.onclick = () => draw(i));
      };
      draw(0);
    }

    function workers(trace) {
      const names = ["serialise", "out", "queue", "compute", "back", "all", "waits"];
      return `<table><tr><th>worker</th><th>calls</th><th>slowest</th>${names.map((n) => `<th>${n}</th>`).join("")}</tr>
        ${trace.workers.filter((w) => w.calls > 0).map((w) => `<tr><td>${escape(w.label)}</td><td>${w.calls}</td>
          <td>${(w.slowest / w.calls * 100).toFixed(0)} %</td>
          ${w.p50.map((us, i) => `<td>${time(us)} <span class="soft">· ${time(w.p99[i])}</span></td>`).join("")}</tr>`).join("")}</table>`;
    }

    function tokens(trace) {
      const title = trace.kind === "decode" ? "A token" : "A prompt";
      add(`<h2>${title} of ${escape(report.model)}</h2><p class="soft">${trace.steps.count} steps,
        median ${time(trace.steps.p50)}, 99 % ${time(trace.steps.p99)}. Each part is what the step waited for.</p>`);
      card(`<div class="words">${trace.words.map((line) => `<p>${escape(line)}</p>`).join("")}</div>
        <div style="height:14px"></div>${pathBar(trace)}`);
      card(`<p><strong>Layers and workers</strong> <span class="soft">from dispatch to reply</span></p>${heat(trace)}`);
      timelineCard(trace);
      card(`<p><strong>Workers</strong> <span class="soft">median · 99 % of each part</span></p>${workers(trace)}`);
    }

    add(`<h1>Where a token's time goes</h1><p class="soft">Measured by conclave latency, ${escape(report.measuredAt)}.</p>`);
    for (const trace of report.traces) tokens(trace);
    links();

    document.addEventListener("mousemove", (event) => {
      const target = event.target.closest("[data-tip]");
      tip.style.display = target ? "block" : "none";
      if (!target) return;
      tip.textContent = target.dataset.tip;
      tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
    });
    """#
}
