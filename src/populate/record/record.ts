import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError, problemFrom } from "../../cli/error.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { readJournal, removeJournal, writeJournal } from "../../jail/record/journal.ts";
import {
  changeManifest,
  forgetJail,
  keyOf,
  type Manifest,
  type ManifestContent,
  type ManifestEntry,
  type ManifestRequest,
  openManifest,
  recordRequest,
  saveManifest,
  updateEntries,
} from "../../jail/record/manifest.ts";
import { RecordError } from "../../jail/record/record-file.ts";
import { sweep } from "../../jail/record/sweep.ts";
import { setRefused } from "../../jail/record/without.ts";
import type { Applied } from "../apply/apply.ts";
import type { Entry, Plan, PopulateProblem } from "../entry.ts";
import { bySource, type Explanation, type Step } from "../plan/why.ts";
import type { PopulateRequest } from "../request.ts";

/** The record of a jail that is to be filled; or why it must not be filled: a damaged record is never replaced unasked. */
export function openRecord(root: JailRoot): { manifest?: Manifest; damage?: PopulateProblem } {
  try {
    return { manifest: openManifest(root) };
  } catch (error) {
    if (error instanceof RecordError) return { damage: problemFrom(error, error.code, error.file) };
    // Any other error is reported when the record is written.
    if (error instanceof JailkitError || error instanceof SystemError) return {};
    throw error;
  }
}

const JOURNAL = "fill.json";

/**
 * The record of a jail while a request is carried out. It has the request from the beginning on, as one that was stopped, and
 * a journal beside it the entries that are about to come: if the run is killed, openManifest finds those that are there.
 */
export class JailRecord {
  #begun: { readonly manifest: Manifest; readonly withdraw: (content: ManifestContent) => void } | undefined;

  constructor(
    private readonly root: JailRoot,
    private readonly request: PopulateRequest,
    private readonly hardlink: boolean,
  ) {}

  /** Before the first file. Returns warnings: what a run that was killed has left. Throws JailkitError, SystemError. */
  begin(known: Manifest | undefined, { entries }: Plan): string[] {
    const { root, request, hardlink } = this;
    const manifest = known ?? openManifest(root);
    const asked = this.#asks(request.asked, true);
    const key = keyOf(asked);
    const former = manifest.content.requests.find((one) => keyOf(one) === key);
    const withdraw = ({ requests }: ManifestContent) => {
      const others = requests.filter((one) => keyOf(one) !== key);
      requests.splice(0, requests.length, ...others, ...(former === undefined ? [] : [{ ...former }]));
    };
    const left = readJournal(manifest.id, JOURNAL);
    const warnings = left === undefined ? [] : sweep(root, left, manifest.content.entries);
    const coming = entries.filter(({ action }) => action !== "keep");
    const changes = coming.length > 0 || former === undefined || former.unfinished === true;
    this.#begun = { manifest, withdraw: changes ? withdraw : () => {} };
    if (!changes) return warnings;
    try {
      recordRequest(manifest, asked);
      saveManifest(manifest);
      const records = coming.map((entry) => this.#record(manifest, entry, hardlink && entry.type === "file"));
      writeJournal(root, manifest.id, JOURNAL, {
        put: new Map(records.map((one) => [one.path, one])),
        directories: coming.map(({ path }) => directoryOf(path)),
        exchanged: [],
      });
    } catch (error) {
      answered(() => this.#withdraw());
      throw error;
    }
    return warnings;
  }

  /** Records what was `asked` for, and its entries that are in the jail. No record remains if it would have nothing. */
  end(asked: readonly ByteString[], { present, links, stopped }: Omit<Applied, "problems">): void {
    if (this.#begun === undefined) return;
    const { manifest, withdraw } = this.#begun;
    const { needLogsocket, needProc } = this.request;
    // A file that the administrator put there instead is not ours.
    const ours = present.filter(({ differs }) => !differs);
    changeManifest(manifest, withdraw);
    if (asked.length > 0) recordRequest(manifest, this.#asks(asked, stopped));
    // Who asks for such a section now wants what it brings.
    if (asked.length + ours.length > 0) {
      if (needLogsocket) setRefused(manifest, "log-socket", false);
      if (needProc) setRefused(manifest, "proc", false);
    }
    updateEntries(
      manifest,
      ours.map((entry) => this.#record(manifest, entry, links.has(entry))),
      { replaceBefore: true },
    );
    recordOthers(manifest, present);
    saveManifest(manifest);
    removeJournal(manifest.id, JOURNAL);
    if (isBlank(manifest.content)) forgetJail(manifest.id, manifest.registry);
  }

  /** An entry for the record, which says whether the jail had it already, and nothing knew of it. */
  #record({ content: { entries } }: Manifest, entry: Entry, hardLink: boolean): ManifestEntry {
    const known = entries.get(entry.path);
    const record = manifestEntry(entry, hardLink);
    if (entry.action !== "create" && (known === undefined || known.before)) record.before = true;
    return record;
  }

  #withdraw(): void {
    if (this.#begun === undefined) return;
    const { manifest, withdraw } = this.#begun;
    changeManifest(manifest, withdraw);
    // On a full disk nothing more can be written.
    if (isBlank(manifest.content)) forgetJail(manifest.id, manifest.registry);
    else saveManifest(manifest);
  }

  #asks(asked: readonly ByteString[], unfinished: boolean): ManifestRequest {
    const { tool, recordedOptions } = this.request;
    const init = tool === "jk_init";
    return {
      tool,
      sections: init ? [...asked] : [],
      operands: init ? [] : [...asked],
      options: { ...recordedOptions, ...(this.hardlink ? { hardlink: true } : {}) },
      time: Math.floor(Date.now() / 1000),
      unfinished: unfinished || undefined,
    };
  }
}

/** Records in whose place users have files, of the entries that are in the jail, so that later runs can tell it. */
function recordOthers(manifest: Manifest, present: readonly Entry[]): void {
  const theirs = present.flatMap(({ path, differs, uid }) => (differs === true && uid !== 0 ? [path] : []));
  if (theirs.length === 0 && manifest.content.others === undefined) return;
  const seen = new Set(present.map(({ path }) => path));
  changeManifest(manifest, (content) => {
    const others = [...(content.others ?? []).filter((path) => !seen.has(path)), ...theirs];
    content.others = others.length === 0 ? undefined : others;
  });
}

/** True for the content of a record that says nothing about its jail. */
const isBlank = ({ requests, entries, live, sockets, without, imported }: ManifestContent): boolean =>
  requests.length + entries.size === 0 && !live && !sockets && !without && imported === undefined;

/** Converts an entry of a plan for the record. `hardLink`: it is the file of the host. */
export function manifestEntry(entry: Entry, hardLink = false): ManifestEntry {
  const { path, type, source, because, mode, uid, gid, device } = entry;
  const record: ManifestEntry = {
    path,
    type: type === "symlink" ? "link" : type === "device" ? (device?.type ?? "char") : type,
    source,
    sections: because.map(({ section }) => section),
    ...{ mode, uid, gid },
  };
  const reason = because[0]?.reason;
  if (reason !== undefined && reason.kind !== "asked") {
    record.reason = reason.kind;
    record.neededBy = reason.kind === "parent" ? reason.of : reason.from.path;
  }
  if (type === "file") {
    record.size = entry.size;
    record.mtime = entry.mtime;
  }
  if (hardLink) record.hardLink = true;
  if (entry.target !== undefined) record.target = entry.target;
  if (device !== undefined) Object.assign(record, { major: device.major, minor: device.minor });
  return record;
}

/** Explains from the record why `path` is in a jail: one chain for all that want it; undefined if not recorded. */
export function explainRecorded(root: JailRoot, path: ByteString): Explanation[] | undefined {
  const { entries } = openManifest(root).content;
  const entry = entries.get(path) ?? bySource(entries.values(), path);
  if (entry === undefined) return undefined;
  const steps: Step[] = [];
  const visited = new Set<ManifestEntry>();
  for (let at: ManifestEntry | undefined = entry; at !== undefined && !visited.has(at); ) {
    visited.add(at);
    const { neededBy, reason = "needed" }: ManifestEntry = at;
    const why = neededBy === undefined ? "asked for" : `${display(reason)}: ${display(neededBy)}`;
    steps.push({ path: at.path, why });
    at = neededBy === undefined ? undefined : (entries.get(neededBy) ?? bySource(entries.values(), neededBy));
  }
  return entry.sections.map((section) => ({ section, steps }));
}
