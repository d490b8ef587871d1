/** A web server for the profiles' tests: DIRECTORY KEY CERTIFICATE. */
import { join } from "node:path";

const [directory = "", key = "", cert = ""] = process.argv.slice(2);
Bun.serve({
  port: 8443,
  hostname: "127.0.0.1",
  tls: { key: Bun.file(key), cert: Bun.file(cert) },
  async fetch({ url }) {
    const file = Bun.file(join(directory, new URL(url).pathname));
    return (await file.exists()) ? new Response(file) : new Response("", { status: 404 });
  },
});
console.log("ready");
