-- Only granted loans are known. A ended paid, B ended unpaid: known at the end of the term. C runs well, D runs in
-- debt: known on the day the data were drawn.
WITH lent AS (
    SELECT *, coalesce(try_strptime(date, '%y%m%d')::DATE, TRY_CAST(date AS DATE)) AS granted_on FROM loan
)
SELECT
    l.loan_id AS application_id,
    d.client_id AS customer_id,
    l.granted_on AS applied_on,
    'personal_loan' AS product,
    l.amount,
    l.duration AS term_months,
    TRY_CAST(l.payments AS DOUBLE) AS monthly_payment,
    TRUE AS approved,
    l.status IN ('B', 'D') AS defaulted,
    CASE
        WHEN l.status IN ('A', 'B') THEN (l.granted_on + to_months(CAST(l.duration AS INTEGER)))::DATE
        WHEN l.status IN ('C', 'D') THEN DATE '1998-12-31'
    END AS outcome_known_on
FROM lent l LEFT JOIN disp d ON d.account_id = l.account_id AND d.type = 'OWNER'
