/** Selects `ListedRow`s. Revocations apply only to our own certificates: an imported one may have the same serial. */
const certificates = `
SELECT c.*, r.at AS revokedAt, row_number() OVER (PARTITION BY c.name ORDER BY c.at DESC, c.id DESC) AS place
FROM certificates c LEFT JOIN revocations r ON r.serial = c.serial AND c.origin <> 'imported'`

export const listCertificates = `SELECT * FROM (${certificates}) ORDER BY name, at DESC, id DESC`

export const listNewestCertificates = `
SELECT * FROM (${certificates}) WHERE place = 1 ORDER BY name, at DESC, id DESC`

export const listCertificatesNamed = `${certificates} WHERE c.name = ? ORDER BY c.at DESC, c.id DESC`

export const listCertificatesWithSerial = `${certificates} WHERE c.serial = ? ORDER BY c.at DESC, c.id DESC`
