/** Small helpers around the document. Text of a person always goes through textContent, never through markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * The element with this id; a missing one is a mistake in index.html, so it is told at once.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}

/**
 * Make an element. Keys that start with "on" are listeners, "text" is its text, "style" an object of CSS properties,
 * booleans set or leave out an attribute, everything else is an attribute.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * The same for SVG.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** @param {any} node @param {Record<string, any>} attributes @param {(Node | string | null)[]} children */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    // One property at a time through the object model: a style attribute would be against the page's own policy.
    else if (name === "style") for (const [key, part] of Object.entries(value)) node.style.setProperty(key, part);
    else if (typeof value === "boolean") node.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/**
 * An icon of the sprite in index.html.
 * @param {string} name
 */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/**
 * "1 click", "2 clicks".
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** @type {WeakMap<Element, string>} What each box shows */
const shown = new WeakMap();

/**
 * Fill a box, but only if what it shows has changed: a press that falls between two drawings must not lose its button.
 * The focus stays on the element of the same id.
 * @param {Element} box
 * @param {unknown} content  What the box shows, as data
 * @param {() => Node[]} make
 */
export function refill(box, content, make) {
  const text = JSON.stringify(content);
  if (shown.get(box) === text) return;
  shown.set(box, text);
  const focused = box.contains(document.activeElement) ? document.activeElement?.id : "";
  box.replaceChildren(...make());
  if (focused) document.getElementById(focused)?.focus();
}

/**
 * Call at most once per frame, with the newest arguments.
 * @template {any[]} A
 * @param {(...args: A) => void} work
 * @returns {(...args: A) => void}
 */
export function oncePerFrame(work) {
  /** @type {A | null} */
  let pending = null;
  return (...args) => {
    if (pending === null) {
      requestAnimationFrame(() => {
        const latest = /** @type {A} */ (pending);
        pending = null;
        work(...latest);
      });
    }
    pending = args;
  };
}
