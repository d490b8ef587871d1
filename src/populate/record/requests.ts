import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import {
  changeManifest,
  type Manifest,
  type ManifestContent,
  type ManifestRequest,
} from "../../jail/record/manifest.ts";

const TOOLS: ReadonlySet<ByteString> = new Set(["jk_init", "jk_cp"]);

/** The options of a request that are set, for the record. */
export const givenOptions = (options: Readonly<Record<string, ByteString | boolean | undefined>>) =>
  Object.fromEntries(Object.entries(options).flatMap(([name, value]) => (value ? [[name, value]] : [])));

/** True for a recorded request for files; other requests are about the accounts of a jail. */
export function asksForFiles({ tool }: ManifestRequest): boolean {
  return TOOLS.has(tool);
}

/** Says that something that was requested is not all in the jail, because the run was stopped; undefined if all is there. */
export function unfinishedMessage({ requests }: Pick<ManifestContent, "requests">): string | undefined {
  const names = requests.flatMap(({ unfinished, sections, operands }) =>
    unfinished ? [...sections, ...operands] : [],
  );
  if (names.length === 0) return undefined;
  return `${names.map(display).join(", ")} is not all there, because the run was stopped`;
}

/** Records that all that was requested is in the jail. */
export function finishRequests(manifest: Manifest): void {
  changeManifest(manifest, ({ requests }) => {
    for (const request of requests) request.unfinished = undefined;
  });
}
