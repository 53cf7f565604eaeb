-- Owners of accounts. Birth numbers are YYMMDD, with 50 added to the month for women.
WITH born AS (
    SELECT client_id, district_id,
           lpad(birth_number, 6, '0') AS digits,
           CAST(substr(lpad(birth_number, 6, '0'), 3, 2) AS INTEGER) AS month
    FROM client
),
joined AS (
    SELECT d.client_id,
           min(coalesce(try_strptime(a.date, '%y%m%d')::DATE, TRY_CAST(a.date AS DATE))) AS joined_on
    FROM disp d JOIN account a USING (account_id)
    WHERE d.type = 'OWNER'
    GROUP BY d.client_id
)
SELECT
    b.client_id AS customer_id,
    j.joined_on,
    '19' || substr(b.digits, 1, 2) || '-' || lpad(CAST(b.month % 50 AS VARCHAR), 2, '0') || '-' || substr(b.digits, 5, 2)
        AS birth_date,
    CASE WHEN b.month > 50 THEN 'female' ELSE 'male' END AS gender,
    district.A3 AS region,
    district.A2 AS district,
    CAST(district.A11 AS DOUBLE) AS district_average_salary
FROM born b
JOIN joined j USING (client_id)
LEFT JOIN district AS district(district_id) ON district.district_id = b.district_id
