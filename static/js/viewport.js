// Zoom, pan and fit of a drawing inside its frame.

const CLOSEST = 2,
  FARTHEST = 0.08,
  READABLE = 0.52;

export class Viewport {
  constructor(frame, world, changed) {
    Object.assign(this, { frame, world, changed, scale: 1, x: 0, y: 0, width: 1, height: 1, own: false });
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.#grab(event));
  }

  set(scale, x, y) {
    Object.assign(this, { scale: Math.min(CLOSEST, Math.max(FARTHEST, scale)), x, y });
    this.world.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
    this.changed?.(this.scale);
  }

  /** Everything in view; `readable` would rather cut off the end than shrink words below reading. */
  fit(readable = false) {
    const { clientWidth: w, clientHeight: h } = this.frame;
    if (!w || !h) return;
    const whole = Math.min(1, w / this.width, h / this.height);
    const scale = readable ? Math.max(whole, Math.min(READABLE, 1)) : whole;
    const top = this.height * scale <= h ? (h - this.height * scale) * 0.4 : 0;
    this.set(scale, (w - this.width * scale) / 2, top);
    this.own = false;
  }

  zoom(factor, at) {
    const { clientWidth, clientHeight } = this.frame;
    const [cx, cy] = at ?? [clientWidth / 2, clientHeight / 2];
    const scale = Math.min(CLOSEST, Math.max(FARTHEST, this.scale * factor));
    const ratio = scale / this.scale;
    this.own = true;
    this.set(scale, cx - (cx - this.x) * ratio, cy - (cy - this.y) * ratio);
  }

  pan(dx, dy) {
    this.own = true;
    this.set(this.scale, this.x + dx, this.y + dy);
  }

  /** Moves no more than needed. */
  reveal({ x, y }, margin = 70) {
    const { clientWidth: w, clientHeight: h } = this.frame;
    const px = x * this.scale + this.x,
      py = y * this.scale + this.y;
    const shift = (value, size) =>
      size < 2 * margin
        ? size / 2 - value
        : value < margin
          ? margin - value
          : value > size - margin
            ? size - margin - value
            : 0;
    const dx = shift(px, w),
      dy = shift(py, h);
    if (dx || dy) this.set(this.scale, this.x + dx, this.y + dy);
  }

  #wheel(event) {
    const box = this.frame.getBoundingClientRect();
    event.preventDefault();
    if (event.ctrlKey || event.metaKey)
      this.zoom(Math.exp(-event.deltaY / 240), [event.clientX - box.left, event.clientY - box.top]);
    else this.pan(event.shiftKey ? -event.deltaY : -event.deltaX, event.shiftKey ? 0 : -event.deltaY);
  }

  #grab(event) {
    if (event.button || event.target.closest("button, [data-node]")) return;
    let [x, y] = [event.clientX, event.clientY];
    const move = (moved) => {
      this.pan(moved.clientX - x, moved.clientY - y);
      [x, y] = [moved.clientX, moved.clientY];
    };
    const drop = () => {
      this.frame.removeEventListener("pointermove", move);
      this.frame.classList.remove("grabbed");
    };
    this.frame.setPointerCapture(event.pointerId);
    this.frame.classList.add("grabbed");
    this.frame.addEventListener("pointermove", move);
    this.frame.addEventListener("pointerup", drop, { once: true });
    this.frame.addEventListener("pointercancel", drop, { once: true });
  }
}
