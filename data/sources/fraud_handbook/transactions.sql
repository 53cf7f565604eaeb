-- A terminal is a merchant. The book takes every label as known seven days after its transaction.
SELECT TRANSACTION_ID::VARCHAR AS transaction_id,
       'card-' || CUSTOMER_ID AS account_id,
       TX_DATETIME AS at,
       TX_AMOUNT AS amount,
       'out' AS direction,
       'card' AS kind,
       'pos' AS channel,
       TERMINAL_ID::VARCHAR AS merchant_id,
       TX_FRAUD = 1 AS is_fraud,
       (TX_DATETIME + INTERVAL 7 DAY)::DATE AS fraud_known_on
FROM base
