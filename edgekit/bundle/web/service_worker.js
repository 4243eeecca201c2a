// Keeps a copy of the bundle: the server is asked first, and the copy is used if it does not respond.

const CACHE = `edgekit bundle at ${self.registration.scope}`; // several bundles may lie on one server

self.addEventListener("install", (event) => event.waitUntil(keepBundle()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && event.request.url.startsWith(self.registration.scope)) {
    event.respondWith(fetchOrKept(event.request));
  }
});

async function keepBundle() {
  const { files } = await (await fetch("bundle.json")).json();
  const cache = await caches.open(CACHE);
  await cache.addAll(["./", "bundle.json", ...Object.keys(files)]);
  await self.skipWaiting();
}

async function fetchOrKept(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) {
      await cache.put(request, response.clone());
    }
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept === undefined) {
      throw error;
    }
    return kept;
  }
}
