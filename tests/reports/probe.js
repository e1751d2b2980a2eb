// What is wrong with the page that is open: a list of texts, empty when all is well. See looks.py.
(printed, contrast, smallest) => {
  const width = document.documentElement.clientWidth, wrong = [];
  const say = (kind, what) => wrong.push(kind + ": " + what);
  const name = each => each.tagName.toLowerCase() + " '"
    + (each.getAttribute("aria-label") || each.textContent).trim().replace(/\s+/g, " ").slice(0, 60) + "'";
  const box = each => each.getBoundingClientRect();
  if (!printed) document.querySelectorAll("details").forEach(each => each.open = true);

  const reach = document.documentElement.scrollWidth;
  if (reach > width) say("page wider than the window", reach);
  // On paper nothing can be scrolled.
  const scrolled = printed ? "svg" : ".scroll, pre, svg";
  for (const each of document.body.querySelectorAll("*"))
    if (!each.closest(scrolled) && box(each).right > width + 0.5) say("outside", name(each));

  // What the style sheet hides on purpose: the list of sections on paper, heads of tables and dashes on a phone.
  const hidden = each => each.closest("nav, .none") || each.closest("thead") && !box(each.closest("thead")).width;
  for (const each of document.querySelectorAll("h1, h2, h3, section, figure, figcaption, table, td, th, p, dd, pre"))
    if (!hidden(each) && (!box(each).width || !box(each).height)) say("not shown", name(each));
  const drawn = one => box(one).width > 150 && box(one).height > 60;
  for (const each of document.querySelectorAll("figure"))
    if (![...each.querySelectorAll("svg")].some(drawn)) say("no drawing", name(each));
  for (const each of document.querySelectorAll("table"))
    if (!each.tBodies[0]?.rows.length) say("empty table", name(each));
  for (const each of document.querySelectorAll("img")) if (!each.naturalWidth) say("broken image", each.alt);
  for (const each of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(decodeURIComponent(each.hash.slice(1)))) say("no target", each.hash);
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll("script, style").forEach(each => each.remove());
  const odd = copy.textContent.match(
    /(?<![\w.])(NaN|nan|None|undefined|Undefined|Infinity|inf|\[object \w+\])(?!\w)/);
  if (odd) say("odd word", odd[0]);

  for (const drawing of document.querySelectorAll("svg")) {
    const frame = box(drawing);
    const texts = [...drawing.querySelectorAll("text")].map(each => [each.textContent, box(each)]);
    texts.forEach(([own, place], number) => {
      if (place.left < frame.left - 1 || place.right > frame.right + 1 || place.top < frame.top - 1
        || place.bottom > frame.bottom + 1) say("cut", name(drawing) + ": " + own);
      // A rotated text is as wide as it is high.
      if (Math.min(place.height, place.width) < smallest && own.trim().length > 1)
        say("tiny", name(drawing) + ": " + own);
      for (const [other, its] of texts.slice(number + 1)) {
        const across = Math.min(place.right, its.right) - Math.max(place.left, its.left);
        const down = Math.min(place.bottom, its.bottom) - Math.max(place.top, its.top);
        // Line boxes are taller than their letters.
        if (across > 1 && down > 0.35 * Math.min(place.height, its.height))
          say("overlap", name(drawing) + ": " + own + " / " + other);
      }
    });
  }

  const parts = colour => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(each => each / 255)
    .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = each => {
    for (; each; each = each.parentElement) {
      const found = getComputedStyle(each).backgroundColor, shown = parts(found);
      if (shown.length === 3 || shown[3] > 0.99) return found;
    }
    return "rgb(255, 255, 255)";
  };
  const seen = new Set();
  for (const each of document.body.querySelectorAll("*")) {
    if (![...each.childNodes].some(one => one.nodeType === 3 && one.textContent.trim())) continue;
    const rules = getComputedStyle(each), colour = each.closest("svg") ? rules.fill : rules.color;
    const pair = [light(colour), light(ground(each))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < contrast && !seen.has(colour)) { seen.add(colour); say("contrast " + ratio.toFixed(2), name(each)); }
  }
  return {wrong, ground: ground(document.body), drawings: document.querySelectorAll("svg").length};
}
