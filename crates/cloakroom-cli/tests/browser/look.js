// Everything about the page that is hard to read or to use; nothing if all is well.
const complaints = [];
const say = (what, element, more = "") =>
  complaints.push(`${what}: ${element?.outerHTML.replace(/\s+/g, " ").slice(0, 120) ?? ""} ${more}`.trim());

// Web Content Accessibility Guidelines 2.2: relative luminance, contrast ratio, success criteria 1.4.3 and 1.4.11.
const colour = (text) => {
  const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
  return { channels: [red, green, blue], alpha };
};
const luminance = (channels) => {
  const [red, green, blue] = channels.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const background = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const { channels, alpha } = colour(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return channels;
    if (alpha > 0) say("a half transparent background, which this script cannot judge", at);
  }
  return colour(getComputedStyle(document.documentElement).backgroundColor).channels;
};
const judge = (what, element, front, behind, least) => {
  const ratio = contrast(colour(front).channels, behind);
  if (ratio < least) say(what, element, `${ratio.toFixed(2)}, not ${least}`);
};

let judged = 0;
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
  judge("weak text", element, getComputedStyle(element).color, background(element), 4.5);
  judged += 1;
}
if (judged === 0) say("a page without text");

for (const control of document.querySelectorAll("input:not([type=hidden]), button")) {
  const style = getComputedStyle(control);
  judge("weak edge", control, style.borderTopColor, background(control.parentElement), 3);
  const name = control.labels?.[0]?.innerText ?? "";
  if (!(name || control.ariaLabel || control.innerText).trim()) say("a control without a name", control);
  // Success criterion 2.5.8 asks for 24.
  const { width, height } = control.getBoundingClientRect();
  if (Math.min(width, height) < 32) say("too small to hit", control, `${width} by ${height}`);
  control.focus({ focusVisible: true });
  const focused = getComputedStyle(control);
  if (focused.outlineStyle === "none" || parseFloat(focused.outlineWidth) < 2) say("no sign of the focus", control);
  judge("weak sign of the focus", control, focused.outlineColor, background(control.parentElement), 3);
  control.blur();
}

// A phone makes room for what is too wide, and shows everything smaller.
const width = arguments[0];
if (document.documentElement.scrollWidth > width) say("wider than the screen", null, `${document.documentElement.scrollWidth} px`);
for (const element of document.body.querySelectorAll("*")) {
  const { left, right } = element.getBoundingClientRect();
  if (element.checkVisibility() && (left < 0 || right > width)) say("out of the screen", element, `${left} to ${right}`);
}

if (!document.title.trim()) say("no title");
if (document.documentElement.lang !== "en") say("no language");
if (document.querySelectorAll("h1").length !== 1) say("not one main heading");
let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) say("a level of headings is left out", heading);
  level = next;
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
if (new Set(ids).size !== ids.length) say("an id is there twice", null, ids.join(" "));
return complaints;
