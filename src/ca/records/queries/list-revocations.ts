/** Selects `ListedRevocation`s. */
export const listRevocations = `
SELECT r.*, c.issuer, c.notAfter FROM revocations r
LEFT JOIN certificates c ON c.serial = r.serial AND c.origin <> 'imported' ORDER BY r.at, r.serial`
