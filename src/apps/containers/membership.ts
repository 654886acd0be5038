import { isPurserError, reasonOf } from "../../base/errors.ts"
import { isAppName, quote } from "../../base/names.ts"
import { parseCheck, type Check } from "../../rollout/check.ts"
import { parseFileLines, type FileLine } from "../../files/file-line.ts"
import { parseReload, type Reload } from "../../rollout/reload.ts"
import { appLabel, checkLabel, composeNameOf, filesLabel, ownLabels, reloadLabel } from "./labels.ts"
import type { ContainerRule } from "./rule-config.ts"
import type { ContainerDetails } from "../../docker/container-details.ts"

/**
 * Decides to which apps a container belongs. Its labels may ask, and the app's rule must allow it. The secrets it then
 * gets are limited to the app's grants when they are read.
 */

/** The part of an app's configuration that decides about containers. */
export interface ContainerApp {
  readonly name: string
  readonly containers: ContainerRule | undefined
  readonly files: readonly FileLine[] | undefined
  readonly reload: Reload | undefined
  readonly check: Check | undefined
}

/** A container's membership of an app. */
export interface Member {
  readonly app: ContainerApp
  /** Undefined for all granted secrets. */
  readonly files: readonly FileLine[] | undefined
  readonly reload: Reload | undefined
  readonly check: Check | undefined
}

/** A container that asks by its labels, and is refused. */
export interface MembershipRefusal {
  /** The app as the label names it, which may be an invalid name. */
  readonly app: string
  readonly reason: string
  readonly hint: string
}

export interface Membership {
  readonly members: readonly Member[]
  readonly refusal: MembershipRefusal | undefined
}

export type Judged = Pick<ContainerDetails, "name" | "image" | "labels">
type Apps = Readonly<Record<string, ContainerApp>>

/**
 * Returns the apps of a container. A container with the label `purser.app` belongs to that app or to none. Any other
 * belongs to every app whose rule selects it: by name, Compose or labels, or by an image together with file lines.
 */
export function membershipOf(
  apps: Apps,
  container: Judged,
  imageLabels: Readonly<Record<string, string>>,
): Membership {
  const own = ownLabels(container.labels, imageLabels)
  const asked = own[appLabel]?.trim()
  if (asked !== undefined) {
    const app = Object.hasOwn(apps, asked) ? apps[asked] : undefined
    const refusal = refuse(app, asked, container, own)
    return refusal === undefined && app !== undefined ? joined([app], own, asked) : { members: [], refusal }
  }
  const picked = Object.values(apps).filter(
    (app) =>
      app.containers !== undefined &&
      picksByItself(app.containers, app.files) &&
      whyNot(app.containers, container, own) === null,
  )
  return joined(picked, own, undefined)
}

/** A cheap test: if false, {@link membershipOf} returns neither members nor a refusal. */
export function mayConcern(
  apps: Apps,
  { imageId, labels }: { readonly imageId: string; readonly labels: Readonly<Record<string, string>> },
): boolean {
  if (Object.hasOwn(labels, appLabel)) return true
  return Object.values(apps).some(
    ({ containers, files }) =>
      containers !== undefined &&
      picksByItself(containers, files) &&
      (containers.images === undefined || containers.images.includes(imageId)),
  )
}

/**
 * Returns whether a rule selects containers without labels. An image alone is not enough, because many unrelated
 * containers may run it, and `any_image` alone would select every container of the host.
 */
function picksByItself(rule: ContainerRule, files: readonly FileLine[] | undefined): boolean {
  const isNamed =
    rule.name !== undefined || rule.composeProject !== undefined || Object.keys(rule.labels).length > 0
  return isNamed || (rule.images !== undefined && files !== undefined)
}

/** Returns why a container does not meet the rule, or null if it does. */
function whyNot(
  rule: ContainerRule,
  container: Judged,
  own: Readonly<Record<string, string>>,
): string | null {
  if (rule.images !== undefined && !rule.images.includes(container.image)) return "its image is not listed"
  if (rule.name !== undefined && rule.name !== container.name) return `its name is not ${rule.name}`
  const compose = composeNameOf(container.labels, own)
  if (rule.composeProject !== undefined && rule.composeProject !== compose.project)
    return `it is not in the Compose project ${rule.composeProject}`
  if (rule.composeService !== undefined && rule.composeService !== compose.service)
    return `it is not in the Compose service ${rule.composeProject}/${rule.composeService}`
  for (const [key, value] of Object.entries(rule.labels))
    if (!Object.hasOwn(own, key) || own[key] !== value) return `it has no label ${key}=${value} of its own`
  return null
}

function refuse(
  app: ContainerApp | undefined,
  asked: string,
  container: Judged,
  own: Readonly<Record<string, string>>,
): MembershipRefusal | undefined {
  if (app === undefined) {
    return {
      app: asked,
      reason: `there is no app ${quote(asked)}`,
      hint: isAppName(asked)
        ? `add it with its secrets, if it is wanted: apps: { ${asked}: { secrets: [NAME], ${ruleFor([container.image])} } }`
        : `an app's name has 1 to 63 of a-z 0-9 -; put the right one into the label ${appLabel}`,
    }
  }
  if (app.containers === undefined) {
    return {
      app: asked,
      reason: `${asked} has no containers in purser.yaml`,
      hint: `if it may have the secrets of ${asked}: apps: { ${asked}: { ${ruleFor([container.image])} } }`,
    }
  }
  const reason = whyNot(app.containers, container, own)
  if (reason === null) return undefined
  const { images } = app.containers
  return {
    app: asked,
    reason: `the rule of ${asked} does not allow it: ${reason}`,
    hint:
      images === undefined || images.includes(container.image)
        ? `check containers: of ${asked} in purser.yaml`
        : `if it may have the secrets of ${asked}: apps: { ${asked}: { ${ruleFor([...images, container.image])} } }`,
  }
}

/** Returns the rule in a form that can be pasted into purser.yaml. */
function ruleFor(images: readonly string[]): string {
  return `containers: { image: [${images.join(", ")}] }`
}

/** Builds the members; `purser.yaml` takes precedence over the labels. */
function joined(
  apps: readonly ContainerApp[],
  own: Readonly<Record<string, string>>,
  asked: string | undefined,
): Membership {
  try {
    const members = apps.map((app) => ({
      app,
      files: app.files ?? filesOf(own),
      reload: app.reload ?? reloadOf(own),
      check: app.check ?? checkOf(own),
    }))
    if (members.some(({ reload, check }) => reload?.kind === "restart" && check !== undefined))
      throw new Error("a check cannot be combined with the reload restart")
    return { members, refusal: undefined }
  } catch (error) {
    const [first] = apps
    return {
      members: [],
      refusal: {
        app: asked ?? first?.name ?? "",
        reason: reasonOf(error),
        hint: isPurserError(error) && error.hint !== undefined ? error.hint : "correct its labels",
      },
    }
  }
}

function filesOf(own: Readonly<Record<string, string>>): readonly FileLine[] | undefined {
  const text = own[filesLabel]
  if (text === undefined) return undefined
  return parseFileLines(text)
}

function reloadOf(own: Readonly<Record<string, string>>): Reload | undefined {
  const text = own[reloadLabel]
  if (text === undefined) return undefined
  const reload = parseReload(text)
  if (reload.kind !== "http") return reload
  // The agent would send the request, and can reach servers that the container cannot.
  throw new Error(`the label ${reloadLabel} may not be a URL: write reload: for the app in purser.yaml`)
}

function checkOf(own: Readonly<Record<string, string>>): Check | undefined {
  const text = own[checkLabel]
  if (text === undefined) return undefined
  const check = parseCheck(text)
  if (check.host === null) return check
  // The agent would connect, to any host that the container names.
  throw new Error(
    `the label ${checkLabel} may name no host: write :PORT, or check: for the app in purser.yaml`,
  )
}
