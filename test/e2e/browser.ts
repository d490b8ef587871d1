import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How wide the window is, in CSS pixels, and which colours the reader prefers. */
export interface View {
  width: number;
  scheme: "light" | "dark";
}

/** A browser without a window, spoken to by the DevTools protocol. */
export interface Browser {
  /** Loads a page; resolves once it and its style sheet are there. */
  open(url: string, view: View): Promise<void>;
  /** The value of an expression in the page, as JSON would have it. */
  evaluate(expression: string): Promise<unknown>;
  /** The whole page as a PNG. */
  screenshot(): Promise<Buffer>;
  close(): Promise<void>;
}

const PROGRAMS = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

// Nothing is to be fetched but the pages, and nothing to be kept.
const OPTIONS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
];

type Answer = {
  id?: number;
  sessionId?: string;
  method?: string;
  result?: unknown;
  error?: { message: string };
};

async function listeningAddress(stderr: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stderr) {
    text += decoder.decode(chunk, { stream: true });
    const address = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error(`the browser ended: ${text}`);
}

/** Starts Chromium. Throws where it is not installed. */
export async function startBrowser(): Promise<Browser> {
  const program = PROGRAMS.find((path) => existsSync(path));
  if (program === undefined) throw new Error("no Chromium: apt-get install chromium-headless-shell");
  const profile = mkdtempSync(join(tmpdir(), "browser-"));
  const child = Bun.spawn([program, ...OPTIONS, `--user-data-dir=${profile}`, "about:blank"], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { PATH: "/usr/bin:/bin", HOME: profile, LC_ALL: "C.UTF-8" },
  });
  const socket = new WebSocket(await listeningAddress(child.stderr));
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const listeners = new Map<string, () => void>();
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer;
    if (answer.method !== undefined) listeners.get(answer.method)?.();
    const waiter = answer.id === undefined ? undefined : waiting.get(answer.id);
    if (waiter === undefined || answer.id === undefined) return;
    waiting.delete(answer.id);
    if (answer.error !== undefined) waiter.reject(new Error(answer.error.message));
    else waiter.resolve(answer.result);
  });
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));

  let requests = 0;
  let sessionId: string | undefined;
  function send<T>(method: string, params: object = {}): Promise<T> {
    const id = ++requests;
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    });
  }

  const { targetId } = await send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
  const attached = await send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
  sessionId = attached.sessionId;
  await send("Page.enable");

  return {
    async open(url, { width, scheme }) {
      await send("Emulation.setDeviceMetricsOverride", {
        width,
        height: 900,
        deviceScaleFactor: 1,
        mobile: false,
      });
      await send("Emulation.setEmulatedMedia", {
        features: [{ name: "prefers-color-scheme", value: scheme }],
      });
      const loaded = new Promise<void>((resolve) => listeners.set("Page.loadEventFired", resolve));
      const { errorText } = await send<{ errorText?: string }>("Page.navigate", { url });
      if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
      await loaded;
    },
    async evaluate(expression) {
      const { result, exceptionDetails } = await send<{
        result: { value?: unknown };
        exceptionDetails?: { text: string };
      }>("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
      if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
      return result.value;
    },
    async screenshot() {
      const { data } = await send<{ data: string }>("Page.captureScreenshot", {
        captureBeyondViewport: true,
      });
      return Buffer.from(data, "base64");
    },
    async close() {
      socket.close();
      child.kill();
      await child.exited;
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
