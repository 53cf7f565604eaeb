-- Current accounts; cards and loans are accounts of their own product, owned by the account's owner.
WITH owner AS (
    SELECT account_id, client_id FROM disp WHERE type = 'OWNER'
),
lent AS (
    SELECT *, coalesce(try_strptime(date, '%y%m%d')::DATE, TRY_CAST(date AS DATE)) AS granted_on FROM loan
)
SELECT a.account_id, o.client_id AS customer_id, 'current' AS product,
       coalesce(try_strptime(a.date, '%y%m%d')::DATE, TRY_CAST(a.date AS DATE)) AS opened_on,
       NULL::DATE AS closed_on, NULL::DOUBLE AS credit_limit
FROM account a LEFT JOIN owner o USING (account_id)
UNION ALL
SELECT 'card-' || c.card_id, o.client_id, 'credit_card',
       coalesce(try_strptime(substr(c.issued, 1, 6), '%y%m%d')::DATE, TRY_CAST(c.issued AS DATE)), NULL, NULL
FROM card c JOIN disp d USING (disp_id) LEFT JOIN owner o ON o.account_id = d.account_id
UNION ALL
-- A and B are loans that ended on their term; C and D were still running when the data were drawn
SELECT 'loan-' || l.loan_id, o.client_id, 'personal_loan', l.granted_on,
       CASE WHEN l.status IN ('A', 'B') THEN (l.granted_on + to_months(CAST(l.duration AS INTEGER)))::DATE END,
       CAST(l.amount AS DOUBLE)
FROM lent l LEFT JOIN owner o USING (account_id)
