-- type: PRIJEM credit; VYDAJ, VYBER debit. operation: VKLAD cash in, VYBER cash out, VYBER KARTOU cash by card,
-- PREVOD Z UCTU from another bank, PREVOD NA UCET to another bank. k_symbol: SIPO household, POJISTNE insurance,
-- UVER loan payment, DUCHOD pension, UROK interest, SANKC. UROK penalty interest, SLUZBY statement fee.
WITH booked AS (
    SELECT * REPLACE (nullif(trim(operation), '') AS operation, nullif(trim(k_symbol), '') AS k_symbol) FROM trans
)
SELECT
    trans_id AS transaction_id,
    account_id,
    coalesce(try_strptime(date, '%y%m%d'), TRY_CAST(date AS TIMESTAMP)) AS at,
    amount,
    CASE type WHEN 'PRIJEM' THEN 'in' WHEN 'VYDAJ' THEN 'out' WHEN 'VYBER' THEN 'out' ELSE type END AS direction,
    CASE
        WHEN k_symbol = 'DUCHOD' THEN 'pension'
        WHEN k_symbol = 'UVER' THEN 'loan_payment'
        WHEN k_symbol = 'UROK' THEN 'interest'
        WHEN k_symbol IN ('SANKC. UROK', 'SLUZBY') THEN 'fee'
        WHEN operation LIKE 'PREVOD%' THEN 'transfer'
        WHEN operation IN ('VKLAD', 'VYBER', 'VYBER KARTOU') OR type = 'VYBER' THEN 'cash'
    END AS kind,
    CASE
        WHEN k_symbol IN ('UROK', 'SANKC. UROK', 'SLUZBY') THEN 'internal'
        WHEN operation = 'VYBER KARTOU' THEN 'atm'
        WHEN operation IN ('VKLAD', 'VYBER') OR type = 'VYBER' THEN 'branch'
    END AS channel,
    CASE
        WHEN k_symbol = 'SIPO' THEN 'housing'
        WHEN k_symbol = 'POJISTNE' THEN 'insurance'
        WHEN k_symbol = 'UVER' THEN 'loan'
        WHEN k_symbol = 'UROK' THEN 'interest'
        WHEN k_symbol IN ('SANKC. UROK', 'SLUZBY') THEN 'fee'
        WHEN operation LIKE 'PREVOD%' THEN 'transfer'
        WHEN operation IN ('VKLAD', 'VYBER', 'VYBER KARTOU') OR type = 'VYBER' THEN 'cash'
    END AS category,
    CASE WHEN coalesce(account, '') NOT IN ('', '0') THEN concat_ws('-', bank, account) END AS counterparty,
    balance AS balance_after
FROM booked
