-- The balance after the last booking up to each month end. Bookings carry no time, so the last one of a day is the one
-- from whose balance no other booking of that day goes on; amounts and balances are rounded to 0.1, hence the 0.2.
-- The shortened file is cut off within 1994-03-31: where that day's interest is missing (28 accounts), the balance cannot
-- follow from the bookings, and the checks say so. No other month end is in doubt.
WITH booked AS (
    SELECT account_id, CAST(trans_id AS BIGINT) AS trans_id, CAST(balance AS DOUBLE) AS balance,
           CAST(balance AS DOUBLE) - CAST(amount AS DOUBLE) * CASE WHEN type = 'PRIJEM' THEN 1 ELSE -1 END AS balance_before,
           coalesce(try_strptime(date, '%y%m%d')::DATE, TRY_CAST(date AS DATE)) AS day
    FROM trans
),
last_days AS (
    SELECT * FROM booked QUALIFY day = max(day) OVER (PARTITION BY account_id, last_day(day))
),
last_bookings AS (
    SELECT *, EXISTS (
        SELECT 1 FROM last_days n
        WHERE n.account_id = b.account_id AND n.day = b.day AND n.trans_id <> b.trans_id
          AND abs(n.balance_before - b.balance) < 0.2
    ) AS goes_on
    FROM last_days b
),
month_ends AS (
    SELECT account_id, last_day(day) AS month_end, arg_min(balance, (goes_on, -trans_id)) AS balance
    FROM last_bookings GROUP BY ALL
),
months AS (
    SELECT account_id,
           unnest(generate_series(min(month_end), (SELECT max(month_end) FROM month_ends), INTERVAL 1 MONTH)) AS month
    FROM month_ends GROUP BY account_id
)
SELECT months.account_id, last_day(months.month) AS month_end, m.balance
FROM months ASOF JOIN month_ends m ON months.account_id = m.account_id AND last_day(months.month) >= m.month_end
