/**
 * Where an image lies on the screen: a scale and a shift, and the arithmetic around them.
 *
 * Image coordinates are continuous with their origin at the top-left corner of the upright image; the centre of the
 * first pixel is (0.5, 0.5). Screen coordinates are CSS pixels from the top-left corner of the canvas.
 *
 * @typedef {{scale: number, x: number, y: number}} View  screen = image * scale + (x, y)
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number}} Position
 */

export const MAX_SCALE = 64;

/** @param {View} view @param {Position} at @returns {Position} */
export const toScreen = (view, at) => ({ x: at.x * view.scale + view.x, y: at.y * view.scale + view.y });

/** @param {View} view @param {Position} at @returns {Position} */
export const toImage = (view, at) => ({ x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale });

/** @param {Position} at @param {Size} image */
export const inside = (at, image) => at.x >= 0 && at.y >= 0 && at.x < image.width && at.y < image.height;

/**
 * The view that shows the whole image, centred.
 * @param {Size} image @param {Size} screen @param {number} [margin]
 * @returns {View}
 */
export function fit(image, screen, margin = 20) {
  const room = (/** @type {number} */ side) => Math.max(side - 2 * margin, side * 0.5, 1);
  const scale = Math.min(room(screen.width) / image.width, room(screen.height) / image.height, MAX_SCALE);
  return centred(scale, { x: image.width / 2, y: image.height / 2 }, screen);
}

/**
 * The view of a scale with a place of the image in the middle of the screen.
 * @param {number} scale @param {Position} at @param {Size} screen
 * @returns {View}
 */
export const centred = (scale, at, screen) => ({
  scale,
  x: screen.width / 2 - at.x * scale,
  y: screen.height / 2 - at.y * scale,
});

/**
 * Zoom by a factor while the image stays put under a place of the screen.
 * @param {View} view @param {number} factor @param {Position} around @param {Size} image @param {Size} screen
 * @returns {View}
 */
export function zoom(view, factor, around, image, screen) {
  const least = Math.min(fit(image, screen).scale / 2, 1);
  const scale = Math.min(MAX_SCALE, Math.max(least, view.scale * factor));
  const real = scale / view.scale;
  return kept(
    { scale, x: around.x - (around.x - view.x) * real, y: around.y - (around.y - view.y) * real },
    image,
    screen,
  );
}

/**
 * The same view, shifted so that at least a hand's breadth of the image can be seen.
 * @param {View} view @param {Size} image @param {Size} screen
 * @returns {View}
 */
export function kept(view, image, screen) {
  const hold = (/** @type {number} */ shift, /** @type {number} */ length, /** @type {number} */ room) => {
    const margin = Math.min(80, length, room);
    return Math.min(room - margin, Math.max(margin - length, shift));
  };
  return {
    scale: view.scale,
    x: hold(view.x, image.width * view.scale, screen.width),
    y: hold(view.y, image.height * view.scale, screen.height),
  };
}

/**
 * The same view, shifted as little as needed to bring a place of the image at least `margin` inside the screen.
 * @param {View} view @param {Position} at @param {Size} screen @param {number} [margin]
 * @returns {View}
 */
export function showing(view, at, screen, margin = 40) {
  const seen = toScreen(view, at);
  const shift = (/** @type {number} */ where, /** @type {number} */ room) =>
    Math.max(0, Math.min(margin, room / 2) - where) - Math.max(0, where - (room - Math.min(margin, room / 2)));
  return { scale: view.scale, x: view.x + shift(seen.x, screen.width), y: view.y + shift(seen.y, screen.height) };
}

/**
 * The same view, shifted so that the image leaves no more of the screen empty than it must.
 * @param {View} view @param {Size} image @param {Size} screen
 * @returns {View}
 */
export function filled(view, image, screen) {
  const hold = (/** @type {number} */ shift, /** @type {number} */ length, /** @type {number} */ room) =>
    length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, shift));
  return {
    scale: view.scale,
    x: hold(view.x, image.width * view.scale, screen.width),
    y: hold(view.y, image.height * view.scale, screen.height),
  };
}
