/** metav1.Status: every way a request can fail, with the real server's reasons and words. */
export interface StatusCause {
  reason?: string;
  message: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: readonly StatusCause[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: { resourceVersion?: string };
  status: "Failure" | "Success";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

/** Thrown anywhere below the HTTP handler; the handler writes `status` and nothing else. */
export class ApiError extends Error {
  readonly status: Status;
  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = "ApiError";
    this.status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      ...(reason ? { reason } : {}),
      ...(details ? { details } : {}),
      code,
    };
  }
}

function qualified({ group, resource }: GroupResource): string {
  return group === "" ? resource : `${resource}.${group}`;
}

function detailsOf(resource: GroupResource, name: string, more: StatusDetails = {}): StatusDetails {
  return {
    ...(name ? { name } : {}),
    ...(resource.group ? { group: resource.group } : {}),
    ...(resource.resource ? { kind: resource.resource } : {}),
    ...more,
  };
}

export function notFound(resource: GroupResource, name: string): ApiError {
  return new ApiError(404, "NotFound", `${qualified(resource)} "${name}" not found`, detailsOf(resource, name));
}

/** What the mux answers for a path that no API serves. */
export function noSuchPath(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(resource: GroupResource, name: string): ApiError {
  return new ApiError(
    409,
    "AlreadyExists",
    `${qualified(resource)} "${name}" already exists`,
    detailsOf(resource, name),
  );
}

export const modifiedMessage =
  "the object has been modified; please apply your changes to the latest version and try again";

export function conflict(resource: GroupResource, name: string, why: string): ApiError {
  return new ApiError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    detailsOf(resource, name),
  );
}

export function forbidden(resource: GroupResource, name: string, why: string): ApiError {
  const what = name === "" ? qualified(resource) : `${qualified(resource)} "${name}"`;
  const message = resource.resource === "" ? `forbidden: ${why}` : `${what} is forbidden: ${why}`;
  return new ApiError(403, "Forbidden", message, detailsOf(resource, name));
}

export interface FieldError {
  readonly type:
    | "Required"
    | "Invalid"
    | "Duplicate"
    | "NotSupported"
    | "Forbidden"
    | "TooLong"
    | "NotFound"
    | "TooMany";
  readonly field: string;
  /** The offending value as Go prints it; left out for Required, Forbidden. */
  readonly value?: unknown;
  readonly detail: string;
}

const errorWords: Readonly<Record<FieldError["type"], { reason: string; words: string }>> = {
  Required: { reason: "FieldValueRequired", words: "Required value" },
  Invalid: { reason: "FieldValueInvalid", words: "Invalid value" },
  Duplicate: { reason: "FieldValueDuplicate", words: "Duplicate value" },
  NotSupported: { reason: "FieldValueNotSupported", words: "Unsupported value" },
  Forbidden: { reason: "FieldValueForbidden", words: "Forbidden" },
  TooLong: { reason: "FieldValueTooLong", words: "Too long" },
  NotFound: { reason: "FieldValueNotFound", words: "Not found" },
  TooMany: { reason: "FieldValueTooMany", words: "Too many" },
};

function fieldErrorBody(error: FieldError): string {
  const { words } = errorWords[error.type];
  const showsValue = !["Required", "Forbidden", "TooLong", "TooMany"].includes(error.type);
  const value = showsValue ? `: ${JSON.stringify(error.value) ?? "null"}` : "";
  return `${words}${value}${error.detail ? `: ${error.detail}` : ""}`;
}

/** 422 with one cause a field. `kind` is qualified by group in the message, as in `Deployment.apps "x" is invalid`. */
export function invalid(group: string, kind: string, name: string, errors: readonly FieldError[]): ApiError {
  const lines = [...new Set(errors.map((error) => `${error.field}: ${fieldErrorBody(error)}`))];
  const list = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  return new ApiError(422, "Invalid", `${group ? `${kind}.${group}` : kind} "${name}" is invalid: ${list}`, {
    ...(name ? { name } : {}),
    ...(group ? { group } : {}),
    ...(kind ? { kind } : {}),
    causes: errors.map((error) => ({
      reason: errorWords[error.type].reason,
      message: fieldErrorBody(error),
      field: error.field,
    })),
  });
}

/** A JSON patch that does not apply, a failing `test` included: the real server says no more than this. */
export function patchRejected(): ApiError {
  return new ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {});
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function expired(message: string): ApiError {
  return new ApiError(410, "Expired", message);
}

export function unauthorized(): ApiError {
  return new ApiError(401, "Unauthorized", "Unauthorized");
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

const writtenTypes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"] as const;

/** A body in a type that this handler does not read. */
export function unsupportedMediaType(accepted: readonly string[] = writtenTypes): ApiError {
  return new ApiError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}

/** A patch in a type that no handler reads: the router refuses it before anyone looks. */
export function unknownMediaType(): ApiError {
  return new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
}

export function notAcceptable(): ApiError {
  return new ApiError(
    406,
    "NotAcceptable",
    `406: Not Acceptable\n\nAvailable representations: ${writtenTypes.join(", ")}`,
    {},
  );
}

/** An error of a library that the real server passes on as it is: 500 without a reason. */
export function unexplained(message: string): ApiError {
  return new ApiError(500, "", message);
}

/** The sandbox's own answer where it cannot follow the real server. */
export function notImplemented(what: string): ApiError {
  return new ApiError(501, "NotImplemented", `the sandbox cluster does not implement ${what}`);
}

export function tooManyRequests(message: string, causes: readonly StatusCause[] = [], retryAfterSeconds = 0): ApiError {
  return new ApiError(429, "TooManyRequests", message, {
    ...(causes.length ? { causes } : {}),
    ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
  });
}
