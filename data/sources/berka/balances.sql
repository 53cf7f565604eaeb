-- The balance after the last booking up to each month end. Bookings carry no time: interest and the fees that hang on
-- it are booked last on their day, and among the rest the order is that of the booking numbers.
WITH booked AS (
    SELECT account_id, CAST(balance AS DOUBLE) AS balance, trans_id,
           coalesce(try_strptime(date, '%y%m%d')::DATE, TRY_CAST(date AS DATE)) AS day,
           trim(coalesce(k_symbol, '')) AS k_symbol
    FROM trans
),
last_of_month AS (
    SELECT account_id, last_day(day) AS month_end,
           arg_max(balance, (day, CASE k_symbol WHEN 'UROK' THEN 1 WHEN 'SANKC. UROK' THEN 2 WHEN 'SLUZBY' THEN 3 ELSE 0 END, CAST(trans_id AS BIGINT))) AS balance
    FROM booked GROUP BY ALL
),
months AS (
    SELECT account_id, unnest(generate_series(min(month_end), (SELECT max(month_end) FROM last_of_month), INTERVAL 1 MONTH)) AS m
    FROM last_of_month GROUP BY account_id
)
SELECT months.account_id, last_day(months.m) AS month_end, b.balance
FROM months ASOF JOIN last_of_month b ON months.account_id = b.account_id AND last_day(months.m) >= b.month_end
