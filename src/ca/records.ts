export type { CertificateRecord, CertificateRequest, Listed, ListedState, Origin } from "./record.ts"
