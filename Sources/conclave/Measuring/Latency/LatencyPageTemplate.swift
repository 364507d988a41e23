extension LatencyPage {
  /// The page around the charts.
  static let template = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Where a token's time goes</title>
    <style>
    :root {
      color-scheme: light dark;
      --page: #fbfaf8; --card: #ffffff; --ink: #1d1f23; --soft: #6a6f78; --line: #e4e2dd;
      --zeromq: #2563a8; --tcp: #d0762b; --curve: #7a4fb5; --heat: 37, 99, 168;
      --p0: #b9bec7; --p1: #8e7cc3; --p2: #5b8c6e; --p3: #2563a8; --p4: #c79a2b;
      --p5: #c2492f; --p6: #5aa6cf; --p7: #77716a;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #15171a; --card: #1d2024; --ink: #e8e6e1; --soft: #9aa0a9; --line: #32363c;
        --zeromq: #6ea8e8; --tcp: #e8a05c; --curve: #b799e8; --heat: 110, 168, 232;
        --p0: #565c66; --p1: #a693dd; --p2: #7fb394; --p3: #6ea8e8; --p4: #dfb950;
        --p5: #e5714f; --p6: #86c7ea; --p7: #a49d94;
      }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink);
      font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
    main { max-width: 1160px; margin: 0 auto; padding: 32px 20px 64px; }
    h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
    h2 { font-size: 19px; margin: 40px 0 4px; }
    p { margin: 0 0 12px; max-width: 86ch; }
    .soft { color: var(--soft); }
    .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
      padding: 18px 20px; margin: 12px 0; overflow-x: auto; }
    .words { font-size: 17px; }
    .words p { margin: 2px 0; max-width: none; }
    .words p:first-child { font-weight: 600; }
    svg { display: block; width: 100%; height: auto; overflow: visible; }
    svg text { fill: var(--ink); font-size: 12px; font-family: inherit; }
    svg text.soft { fill: var(--soft); }
    svg .grid { stroke: var(--line); stroke-width: 1; }
    table { border-collapse: collapse; width: 100%; font-size: 12px; }
    th, td { text-align: right; padding: 4px 0 4px 9px; border-bottom: 1px solid var(--line);
      white-space: nowrap; }
    th { color: var(--soft); font-weight: 500; }
    th:first-child, td:first-child, td.text, th.text { text-align: left; padding-left: 0; }
    tr:last-child td { border-bottom: 0; }
    .key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 2px; font-size: 13px; }
    .key i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
      margin-right: 6px; vertical-align: -1px; }
    #tip { position: fixed; pointer-events: none; background: var(--ink); color: var(--page);
      padding: 6px 9px; border-radius: 6px; font-size: 12.5px; white-space: pre; display: none;
      z-index: 2; }
    button { font: inherit; font-size: 13px; color: var(--ink); background: none; cursor: pointer;
      border: 1px solid var(--line); border-radius: 6px; padding: 2px 10px; margin-right: 6px; }
    button[aria-pressed=true] { border-color: var(--ink); }
    </style>
    </head>
    <body>
    <main id="main"></main>
    <div id="tip"></div>
    <script>
    const report = /*report*/null;
    /*script*/
    </script>
    </body>
    </html>
    """#
}
