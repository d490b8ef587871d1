import * as fs from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };

interface Component {
  type: "application" | "library" | "framework";
  "bom-ref": string;
  name: string;
  version: string;
  description: string;
  licenses: { license: { id: string } }[];
  purl: string;
}

/** A package of npm that is a part of the executables. */
function component(root: string, name: string, type: Component["type"]): Component {
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

/**
 * The bill of materials (CycloneDX 1.6, JSON) of the executables: the runtime and the libraries that are compiled in.
 * `epoch` dates it.
 */
export function billOfMaterials(root: string, epoch: number): string {
  const parts = [
    component(root, "bun", "framework"),
    ...Object.keys(packageJson.dependencies).map((name) => component(root, name, "library")),
  ];
  const self = `pkg:generic/jailkit@${packageJson.version}`;
  return `${JSON.stringify(
    {
      bomFormat: "CycloneDX",
      specVersion: "1.6",
      version: 1,
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
      components: parts,
      dependencies: [
        { ref: self, dependsOn: parts.map(({ purl }) => purl) },
        ...parts.map(({ purl }) => ({ ref: purl })),
      ],
    },
    null,
    2,
  )}\n`;
}
