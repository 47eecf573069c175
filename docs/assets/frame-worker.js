// A page that is opened from a disk may not start workers, which the search of the site needs. Here a hidden frame does
// what a worker would; the theme's search looks for it by the name IFrameWorker.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.body.appendChild(Object.assign(document.createElement("iframe"), { hidden: true }))
      addEventListener("message", ({ source, data }) => {
        if (source === this.frame.contentWindow) this.dispatchEvent(new MessageEvent("message", { data }))
      })
      const inner = this.frame.contentWindow
      inner.postMessage = (data) => postMessageOf(inner, data)
      inner.importScripts = async (...urls) => {
        for (const src of urls) await loaded(inner.document, src)
      }
      this.ready = loaded(inner.document, url)
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
  const postMessageOf = (source, data) => window.dispatchEvent(new MessageEvent("message", { data, source }))
  const loaded = (target, src) =>
    new Promise((resolve, reject) => {
      const script = Object.assign(target.createElement("script"), { src, onload: resolve, onerror: reject })
      target.body.appendChild(script)
    })
}
