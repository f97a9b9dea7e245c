// <viewer-zone zone>: a page whose days are those of the reader. The server does not know their zone: the first time it is told.
class ViewerZone extends HTMLElement {
  connectedCallback() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zone || zone === this.getAttribute("zone")) return;
    const place = new URL(location.href);
    place.searchParams.set("zone", zone);
    location.replace(place);
  }
}

customElements.define("viewer-zone", ViewerZone);
