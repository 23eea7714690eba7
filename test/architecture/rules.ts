/**
 * The shape of the source (the design's "shape of the source" and the house style) as rules. Each takes the source
 * tree and returns one line for every place that breaks it.
 */

import { posix } from "node:path";
import { bareCode, importsOf, isTest, type SourceFile, type SourceTree } from "./source-file.ts";

export type Rule = (tree: SourceTree) => string[];

/** A domain folder imports only folders before it. */
const DOMAIN_ORDER = [
  ..."wire identity config trust raft spore sql replication hrana shard txn work workload".split(
    " ",
  ),
  ..."storage bridge update api".split(" "),
];

/** What each layer may import, besides itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  domain: ["base"],
  ports: ["base", "domain"],
  adapters: ["base", "domain", "ports"],
  runtime: ["base", "domain", "ports"],
  agent: ["base", "domain", "ports", "adapters", "runtime"],
  client: ["base", "domain"],
  management: ["base", "domain", "client"],
  // A command starts the agent in its own process; one that runs is reached through the client only.
  cli: ["base", "domain", "client", "agent"],
  main: ["cli"],
};
const SIBLINGS_APART = new Set(["adapters", "runtime"]);

const LINES_MAX = 400;
const LINES_REASON = /\b400 lines\b/;
const HEAD_LINES = 30;

const IMPURE_MODULES =
  /^(node:)?(fs|net|http|https|http2|tls|dgram|dns|child_process|os|process|worker_threads|timers|perf_hooks|sqlite|readline|fs\/promises|timers\/promises)$|^bun(:.*)?$/;
const IMPURE_WORDS: readonly (readonly [RegExp, string])[] = [
  [/\b(setTimeout|setInterval|setImmediate)\b/, "a timer of the platform"],
  [/\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/, "the platform's clock"],
  [
    /\bMath\.random\b|\brandomUUID\b|\brandomBytes\b|\bgetRandomValues\b/,
    "the platform's randomness",
  ],
  [/\bBun\.(?!TOML\b|hash\b|CryptoHasher\b|stringWidth\b)\w+/, "Bun's outside world"],
  [/\bprocess\.\w+|\bconsole\.\w+/, "the process"],
  [/(\bawait|\breturn|=>?|\()\s*fetch\(/, "the network"],
];
const ASYNC_WORDS = /\basync\b|\bawait\b|\bPromise\b/;
const DUMP_NAMES = /(^|\/)(utils?|helpers?|common|misc|types|shared|lib)(\.ts$|\/)/;
const KEBAB_NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|property\.test|conformance\.test))?\.ts$/;

interface Place {
  readonly layer: string;
  /** The folder inside domain, adapters or runtime; null elsewhere. */
  readonly folder: string | null;
}

export const RULES: Readonly<Record<string, Rule>> = {
  "imports point down the layers": (tree) => eachImport(tree, directionProblem),
  "folders talk through index.ts": (tree) => eachImport(tree, indexProblem),
  "the domain and the runtime touch nothing outside": (tree) =>
    tree.files.filter(inPureLayer).flatMap(impurities),
  "the domain is synchronous": (tree) =>
    tree.files
      .filter(({ path }) => path.startsWith("src/domain/") && !isTest(path))
      .filter(({ text }) => ASYNC_WORDS.test(bareCode(text)))
      .map(({ path }) => `${path}: async code in the domain`),
  "only main.ts reads the environment": (tree) =>
    tree.files
      .filter(({ path }) => path !== "src/main.ts" && !isTest(path))
      .filter(({ text }) => /\bprocess\.env\b|\bBun\.env\b/.test(bareCode(text)))
      .map(({ path }) => `${path}: reads the environment`),
  "no default exports": (tree) => eachMatch(tree, /\bexport\s+default\b/, "default export"),
  "exports are listed one by one": (tree) => eachMatch(tree, /\bexport\s*\*/, "export *"),
  "files over 400 lines say why": (tree) => tree.files.flatMap(sizeProblem),
  "names are kebab-case and say what is inside": (tree) => tree.files.flatMap(nameProblem),
  "no empty folders": (tree) =>
    tree.folders
      .filter((folder) => !tree.files.some(({ path }) => path.startsWith(`${folder}/`)))
      .map((folder) => `${folder}: holds no source`),
  "no skipped test without a reason": (tree) =>
    tree.files
      .filter(({ path }) => isTest(path))
      .filter(({ text }) => /\b(test|it|describe)\.(skip|todo|only)\b/.test(bareCode(text)))
      .map(({ path }) => `${path}: test.skip, test.todo or test.only`),
};

function eachImport(
  { files }: SourceTree,
  problem: (from: string, to: string) => string | null,
): string[] {
  return files
    .filter(({ path }) => !isTest(path))
    .flatMap(({ path, text }) =>
      importsOf(text)
        .filter((name) => name.startsWith("."))
        .map((name) => posix.join(posix.dirname(path), name))
        .filter((target) => target.startsWith("src/"))
        .flatMap((target) => problem(path, target) ?? []),
    );
}

function directionProblem(path: string, target: string): string | null {
  const from = placeOf(path);
  const to = placeOf(target);
  const says = `${path}: imports ${target}`;
  if (from.layer !== to.layer) {
    return LAYERS[from.layer]?.includes(to.layer) ? null : says;
  }
  if (from.folder === to.folder) return null;
  if (SIBLINGS_APART.has(from.layer)) return `${says}, a sibling`;
  if (from.layer !== "domain") return null;
  const [a, b] = [DOMAIN_ORDER.indexOf(from.folder ?? ""), DOMAIN_ORDER.indexOf(to.folder ?? "")];
  return a >= 0 && b >= 0 && b < a ? null : `${says}, which is not before it`;
}

function indexProblem(path: string, target: string): string | null {
  const [from, to] = [placeOf(path), placeOf(target)];
  const same = from.layer === to.layer && from.folder === to.folder;
  if (same || target.endsWith("/index.ts")) return null;
  return `${path}: imports ${target}, not its folder's index.ts`;
}

function placeOf(path: string): Place {
  const [, layer = "", folder = null] = path.replace(/\.ts$/, "").split("/");
  const hasFolders = layer === "domain" || SIBLINGS_APART.has(layer);
  return { layer, folder: hasFolders ? folder : null };
}

function inPureLayer({ path }: SourceFile): boolean {
  return /^src\/(base|domain|ports|runtime)\//.test(path) && !isTest(path);
}

function impurities({ path, text }: SourceFile): string[] {
  const code = bareCode(text);
  const words = IMPURE_WORDS.filter(([pattern]) => pattern.test(code)).map(([, what]) => what);
  const modules = importsOf(text).filter((name) => IMPURE_MODULES.test(name));
  return [...words, ...modules].map((what) => `${path}: uses ${what}`);
}

function eachMatch({ files }: SourceTree, pattern: RegExp, what: string): string[] {
  return files
    .filter(({ text }) => pattern.test(bareCode(text)))
    .map(({ path }) => `${path}: ${what}`);
}

function sizeProblem({ path, text }: SourceFile): string[] {
  const lines = text.trimEnd().split("\n");
  const isExplained = LINES_REASON.test(lines.slice(0, HEAD_LINES).join("\n"));
  if (lines.length <= LINES_MAX || isExplained) return [];
  return [`${path}: ${lines.length} lines, and its head does not say why it is over 400 lines`];
}

function nameProblem({ path }: SourceFile): string[] {
  const name = posix.basename(path);
  if (DUMP_NAMES.test(path.slice("src/".length))) return [`${path}: a name that says nothing`];
  return KEBAB_NAME.test(name) ? [] : [`${path}: not in kebab-case`];
}
