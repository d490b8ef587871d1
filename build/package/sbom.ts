import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import type { Job } from "./job.ts";

/** A component of CycloneDX, of whose members the others are not read here. */
type Component = Record<string, unknown> & { "bom-ref": string };

// The parts of the runtime, by their names in process.versions. Its other names are interfaces that it imitates.
const RUNTIME_PARTS = (
  "ares boringssl icu libarchive libdeflate llhttp lolhtml lshpack " +
  "mimalloc picohttpparser sqlite tinycc uwebsockets webkit zlib zstd"
).split(" ");

/** An npm package that is part of the executables. */
function npmComponent(root: string, name: string, type: "library" | "framework"): Component {
  const manifest = JSON.parse(fs.readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
  const purl = `pkg:npm/${name}@${manifest.version}`;
  return {
    type,
    "bom-ref": purl,
    name,
    version: manifest.version,
    description: manifest.description ?? "",
    licenses: [{ license: { id: manifest.license ?? "MIT" } }],
    purl,
  };
}

function runtimePart(name: string): Component {
  const version = process.versions[name];
  if (version === undefined) throw new Error(`the runtime does not report its version of ${name}`);
  const purl = `pkg:generic/${name}@${version}`;
  return { type: "library", "bom-ref": purl, name, version, purl };
}

function builtFile(file: string, name: string): Component {
  const content = createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  return { type: "file", "bom-ref": `file:${name}`, name, hashes: [{ alg: "SHA-256", content }] };
}

/** A UUID made from the SHA-256 of a text: version 8 of RFC 9562. */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * The bill of materials (CycloneDX 1.6, JSON) of the executables: each with its digest, the runtime with its parts, and
 * the libraries that are compiled in.
 */
export function billOfMaterials({ root, dist, epoch }: Job): string {
  const entries = fs.readdirSync(join(dist, "entry")).sort();
  const files = [
    builtFile(join(dist, "bin/jailkit"), "jailkit"),
    ...entries.map((name) => builtFile(join(dist, "entry", name), name)),
  ];
  const runtime = npmComponent(root, "bun", "framework");
  const libraries = Object.keys(packageJson.dependencies).map((name) => npmComponent(root, name, "library"));
  const parts = RUNTIME_PARTS.map(runtimePart);
  const self = `pkg:generic/jailkit@${packageJson.version}`;
  const refs = (components: readonly Component[]) => components.map((one) => one["bom-ref"]);
  const contents = {
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": self,
        name: "jailkit",
        version: packageJson.version,
        licenses: [{ license: { id: packageJson.license } }],
        purl: self,
      },
    },
    components: [...files, runtime, ...libraries, ...parts],
    dependencies: [
      { ref: self, dependsOn: refs(files) },
      // The entries contain only their own code.
      { ref: "file:jailkit", dependsOn: refs([runtime, ...libraries]) },
      ...entries.map((name) => ({ ref: `file:${name}`, dependsOn: ["file:jailkit"] })),
      { ref: runtime["bom-ref"], dependsOn: refs(parts) },
      ...refs([...libraries, ...parts]).map((ref) => ({ ref })),
    ],
  };
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(contents))}`,
    version: 1,
    ...contents,
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}
